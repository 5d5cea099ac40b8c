// The part of the PKCS#11 2.40 ABI that this program calls, written from the specification
// ("PKCS #11 Cryptographic Token Interface Base Specification Version 2.40", sections 3 and 5).
// Names are the specification's. On Unix structures have the platform's own packing.
#ifndef HSM_NATIVE_CRYPTOKI_PKCS11_H_
#define HSM_NATIVE_CRYPTOKI_PKCS11_H_

#include <cstddef>

extern "C" {

using CK_BYTE = unsigned char;
using CK_CHAR = CK_BYTE;
using CK_UTF8CHAR = CK_BYTE;
using CK_BBOOL = CK_BYTE;
using CK_ULONG = unsigned long;
using CK_FLAGS = CK_ULONG;
using CK_RV = CK_ULONG;
using CK_SLOT_ID = CK_ULONG;
using CK_SESSION_HANDLE = CK_ULONG;
using CK_OBJECT_HANDLE = CK_ULONG;
using CK_OBJECT_CLASS = CK_ULONG;
using CK_ATTRIBUTE_TYPE = CK_ULONG;
using CK_USER_TYPE = CK_ULONG;
using CK_STATE = CK_ULONG;
using CK_NOTIFICATION = CK_ULONG;

struct CK_VERSION {
  CK_BYTE major;
  CK_BYTE minor;
};

struct CK_INFO {
  CK_VERSION cryptokiVersion;
  CK_UTF8CHAR manufacturerID[32];
  CK_FLAGS flags;
  CK_UTF8CHAR libraryDescription[32];
  CK_VERSION libraryVersion;
};

struct CK_SLOT_INFO {
  CK_UTF8CHAR slotDescription[64];
  CK_UTF8CHAR manufacturerID[32];
  CK_FLAGS flags;
  CK_VERSION hardwareVersion;
  CK_VERSION firmwareVersion;
};

struct CK_TOKEN_INFO {
  CK_UTF8CHAR label[32];
  CK_UTF8CHAR manufacturerID[32];
  CK_UTF8CHAR model[16];
  CK_CHAR serialNumber[16];
  CK_FLAGS flags;
  CK_ULONG ulMaxSessionCount;
  CK_ULONG ulSessionCount;
  CK_ULONG ulMaxRwSessionCount;
  CK_ULONG ulRwSessionCount;
  CK_ULONG ulMaxPinLen;
  CK_ULONG ulMinPinLen;
  CK_ULONG ulTotalPublicMemory;
  CK_ULONG ulFreePublicMemory;
  CK_ULONG ulTotalPrivateMemory;
  CK_ULONG ulFreePrivateMemory;
  CK_VERSION hardwareVersion;
  CK_VERSION firmwareVersion;
  CK_CHAR utcTime[16];
};

struct CK_SESSION_INFO {
  CK_SLOT_ID slotID;
  CK_STATE state;
  CK_FLAGS flags;
  CK_ULONG ulDeviceError;
};

struct CK_ATTRIBUTE {
  CK_ATTRIBUTE_TYPE type;
  void* pValue;
  CK_ULONG ulValueLen;
};

using CK_NOTIFY = CK_RV (*)(CK_SESSION_HANDLE, CK_NOTIFICATION, void*);

struct CK_C_INITIALIZE_ARGS {
  CK_RV (*CreateMutex)(void**);
  CK_RV (*DestroyMutex)(void*);
  CK_RV (*LockMutex)(void*);
  CK_RV (*UnlockMutex)(void*);
  CK_FLAGS flags;
  void* pReserved;
};

struct CK_FUNCTION_LIST;
using CK_C_GetFunctionList = CK_RV (*)(CK_FUNCTION_LIST**);

// A function that is in the list and that this program never calls.
using CK_UNUSED = void (*)();

// The order is the ABI (section 3.6). Above all C_SetAttributeValue has no callable type here: on smart cards it
// poisons the library's cache (the new value is read back, the card keeps the old one).
struct CK_FUNCTION_LIST {
  CK_VERSION version;
  CK_RV (*C_Initialize)(void* pInitArgs);
  CK_RV (*C_Finalize)(void* pReserved);
  CK_RV (*C_GetInfo)(CK_INFO* pInfo);
  CK_C_GetFunctionList C_GetFunctionList;
  CK_RV (*C_GetSlotList)(CK_BBOOL tokenPresent, CK_SLOT_ID* pSlotList, CK_ULONG* pulCount);
  CK_RV (*C_GetSlotInfo)(CK_SLOT_ID slotID, CK_SLOT_INFO* pInfo);
  CK_RV (*C_GetTokenInfo)(CK_SLOT_ID slotID, CK_TOKEN_INFO* pInfo);
  CK_UNUSED C_GetMechanismList;
  CK_UNUSED C_GetMechanismInfo;
  CK_RV (*C_InitToken)(CK_SLOT_ID slotID, CK_UTF8CHAR* pPin, CK_ULONG ulPinLen, CK_UTF8CHAR* pLabel);
  CK_RV (*C_InitPIN)(CK_SESSION_HANDLE hSession, CK_UTF8CHAR* pPin, CK_ULONG ulPinLen);
  CK_RV (*C_SetPIN)(CK_SESSION_HANDLE hSession, CK_UTF8CHAR* pOldPin, CK_ULONG ulOldLen, CK_UTF8CHAR* pNewPin,
                    CK_ULONG ulNewLen);
  CK_RV (*C_OpenSession)(CK_SLOT_ID slotID, CK_FLAGS flags, void* pApplication, CK_NOTIFY notify,
                         CK_SESSION_HANDLE* phSession);
  CK_RV (*C_CloseSession)(CK_SESSION_HANDLE hSession);
  CK_RV (*C_CloseAllSessions)(CK_SLOT_ID slotID);
  CK_RV (*C_GetSessionInfo)(CK_SESSION_HANDLE hSession, CK_SESSION_INFO* pInfo);
  CK_UNUSED C_GetOperationState;
  CK_UNUSED C_SetOperationState;
  CK_RV (*C_Login)(CK_SESSION_HANDLE hSession, CK_USER_TYPE userType, CK_UTF8CHAR* pPin, CK_ULONG ulPinLen);
  CK_RV (*C_Logout)(CK_SESSION_HANDLE hSession);
  CK_RV (*C_CreateObject)(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE* pTemplate, CK_ULONG ulCount,
                          CK_OBJECT_HANDLE* phObject);
  CK_UNUSED C_CopyObject;
  CK_RV (*C_DestroyObject)(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject);
  CK_UNUSED C_GetObjectSize;
  CK_RV (*C_GetAttributeValue)(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE* pTemplate,
                               CK_ULONG ulCount);
  CK_UNUSED C_SetAttributeValue;
  CK_RV (*C_FindObjectsInit)(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE* pTemplate, CK_ULONG ulCount);
  CK_RV (*C_FindObjects)(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE* phObject, CK_ULONG ulMaxObjectCount,
                         CK_ULONG* pulObjectCount);
  CK_RV (*C_FindObjectsFinal)(CK_SESSION_HANDLE hSession);
  CK_UNUSED C_EncryptInit;
  CK_UNUSED C_Encrypt;
  CK_UNUSED C_EncryptUpdate;
  CK_UNUSED C_EncryptFinal;
  CK_UNUSED C_DecryptInit;
  CK_UNUSED C_Decrypt;
  CK_UNUSED C_DecryptUpdate;
  CK_UNUSED C_DecryptFinal;
  CK_UNUSED C_DigestInit;
  CK_UNUSED C_Digest;
  CK_UNUSED C_DigestUpdate;
  CK_UNUSED C_DigestKey;
  CK_UNUSED C_DigestFinal;
  CK_UNUSED C_SignInit;
  CK_UNUSED C_Sign;
  CK_UNUSED C_SignUpdate;
  CK_UNUSED C_SignFinal;
  CK_UNUSED C_SignRecoverInit;
  CK_UNUSED C_SignRecover;
  CK_UNUSED C_VerifyInit;
  CK_UNUSED C_Verify;
  CK_UNUSED C_VerifyUpdate;
  CK_UNUSED C_VerifyFinal;
  CK_UNUSED C_VerifyRecoverInit;
  CK_UNUSED C_VerifyRecover;
  CK_UNUSED C_DigestEncryptUpdate;
  CK_UNUSED C_DecryptDigestUpdate;
  CK_UNUSED C_SignEncryptUpdate;
  CK_UNUSED C_DecryptVerifyUpdate;
  CK_UNUSED C_GenerateKey;
  CK_UNUSED C_GenerateKeyPair;
  CK_UNUSED C_WrapKey;
  CK_UNUSED C_UnwrapKey;
  CK_UNUSED C_DeriveKey;
  CK_UNUSED C_SeedRandom;
  CK_RV (*C_GenerateRandom)(CK_SESSION_HANDLE hSession, CK_BYTE* pRandomData, CK_ULONG ulRandomLen);
  CK_UNUSED C_GetFunctionStatus;
  CK_UNUSED C_CancelFunction;
  CK_UNUSED C_WaitForSlotEvent;
};

}  // extern "C"

inline constexpr CK_BBOOL CK_TRUE = 1;
inline constexpr CK_BBOOL CK_FALSE = 0;
inline constexpr CK_ULONG CK_UNAVAILABLE_INFORMATION = ~CK_ULONG{0};
inline constexpr CK_ULONG CK_INVALID_HANDLE = 0;

inline constexpr CK_OBJECT_CLASS CKO_DATA = 0;
inline constexpr CK_ATTRIBUTE_TYPE CKA_CLASS = 0x000;
inline constexpr CK_ATTRIBUTE_TYPE CKA_TOKEN = 0x001;
inline constexpr CK_ATTRIBUTE_TYPE CKA_PRIVATE = 0x002;
inline constexpr CK_ATTRIBUTE_TYPE CKA_LABEL = 0x003;
inline constexpr CK_ATTRIBUTE_TYPE CKA_APPLICATION = 0x010;
inline constexpr CK_ATTRIBUTE_TYPE CKA_VALUE = 0x011;

inline constexpr CK_USER_TYPE CKU_SO = 0;
inline constexpr CK_USER_TYPE CKU_USER = 1;
inline constexpr CK_STATE CKS_RW_USER_FUNCTIONS = 3;

inline constexpr CK_FLAGS CKF_TOKEN_PRESENT = 0x1;
inline constexpr CK_FLAGS CKF_REMOVABLE_DEVICE = 0x2;
inline constexpr CK_FLAGS CKF_OS_LOCKING_OK = 0x2;
inline constexpr CK_FLAGS CKF_RW_SESSION = 0x2;
inline constexpr CK_FLAGS CKF_SERIAL_SESSION = 0x4;
inline constexpr CK_FLAGS CKF_WRITE_PROTECTED = 0x2;
inline constexpr CK_FLAGS CKF_LOGIN_REQUIRED = 0x4;
inline constexpr CK_FLAGS CKF_USER_PIN_INITIALIZED = 0x8;
inline constexpr CK_FLAGS CKF_TOKEN_INITIALIZED = 0x400;
inline constexpr CK_FLAGS CKF_USER_PIN_COUNT_LOW = 0x10000;
inline constexpr CK_FLAGS CKF_USER_PIN_FINAL_TRY = 0x20000;
inline constexpr CK_FLAGS CKF_USER_PIN_LOCKED = 0x40000;
inline constexpr CK_FLAGS CKF_USER_PIN_TO_BE_CHANGED = 0x80000;

// The ABI on the platforms that this program is built for (LP64). A mistake here corrupts memory silently at run
// time, so it fails the build instead.
static_assert(sizeof(void*) != 8 || sizeof(CK_ULONG) == 8);
static_assert(sizeof(CK_VERSION) == 2);
static_assert(sizeof(CK_INFO) == 88 && offsetof(CK_INFO, flags) == 40 && offsetof(CK_INFO, libraryVersion) == 80);
static_assert(sizeof(CK_SLOT_INFO) == 112 && offsetof(CK_SLOT_INFO, flags) == 96 &&
              offsetof(CK_SLOT_INFO, hardwareVersion) == 104);
static_assert(sizeof(CK_TOKEN_INFO) == 208 && offsetof(CK_TOKEN_INFO, serialNumber) == 80 &&
              offsetof(CK_TOKEN_INFO, flags) == 96 && offsetof(CK_TOKEN_INFO, ulMaxPinLen) == 136 &&
              offsetof(CK_TOKEN_INFO, hardwareVersion) == 184 && offsetof(CK_TOKEN_INFO, utcTime) == 188);
static_assert(sizeof(CK_SESSION_INFO) == 32);
static_assert(sizeof(CK_ATTRIBUTE) == 24 && offsetof(CK_ATTRIBUTE, pValue) == 8 &&
              offsetof(CK_ATTRIBUTE, ulValueLen) == 16);
static_assert(sizeof(CK_C_INITIALIZE_ARGS) == 48 && offsetof(CK_C_INITIALIZE_ARGS, flags) == 32);
static_assert(sizeof(CK_FUNCTION_LIST) == 8 + 68 * sizeof(void*));
static_assert(offsetof(CK_FUNCTION_LIST, C_OpenSession) == 8 + 12 * 8);
static_assert(offsetof(CK_FUNCTION_LIST, C_CreateObject) == 8 + 20 * 8);
static_assert(offsetof(CK_FUNCTION_LIST, C_GetAttributeValue) == 8 + 24 * 8);
static_assert(offsetof(CK_FUNCTION_LIST, C_FindObjectsInit) == 8 + 26 * 8);
static_assert(offsetof(CK_FUNCTION_LIST, C_GenerateRandom) == 8 + 64 * 8);
static_assert(offsetof(CK_FUNCTION_LIST, C_WaitForSlotEvent) == 8 + 67 * 8);

#endif  // HSM_NATIVE_CRYPTOKI_PKCS11_H_
