#include "functions.h"

#include "module.h"

namespace {

/** A function of the type of a member of the list that does nothing; faults reach it all the same. */
template <typename Function>
struct Unsupported;

template <typename... Arguments>
struct Unsupported<CK_RV (*)(Arguments...)> {
  template <const char* name>
  static CK_RV call(Arguments...) {
    return stub::guarded(name, [](stub::Module&) -> CK_RV { return CKR_FUNCTION_NOT_SUPPORTED; });
  }
};

constexpr char kGetOperationState[] = "C_GetOperationState";
constexpr char kSetOperationState[] = "C_SetOperationState";
constexpr char kCopyObject[] = "C_CopyObject";
constexpr char kGetObjectSize[] = "C_GetObjectSize";
constexpr char kEncryptInit[] = "C_EncryptInit";
constexpr char kEncrypt[] = "C_Encrypt";
constexpr char kEncryptUpdate[] = "C_EncryptUpdate";
constexpr char kEncryptFinal[] = "C_EncryptFinal";
constexpr char kDecryptInit[] = "C_DecryptInit";
constexpr char kDecrypt[] = "C_Decrypt";
constexpr char kDecryptUpdate[] = "C_DecryptUpdate";
constexpr char kDecryptFinal[] = "C_DecryptFinal";
constexpr char kDigestInit[] = "C_DigestInit";
constexpr char kDigest[] = "C_Digest";
constexpr char kDigestUpdate[] = "C_DigestUpdate";
constexpr char kDigestKey[] = "C_DigestKey";
constexpr char kDigestFinal[] = "C_DigestFinal";
constexpr char kSignInit[] = "C_SignInit";
constexpr char kSign[] = "C_Sign";
constexpr char kSignUpdate[] = "C_SignUpdate";
constexpr char kSignFinal[] = "C_SignFinal";
constexpr char kSignRecoverInit[] = "C_SignRecoverInit";
constexpr char kSignRecover[] = "C_SignRecover";
constexpr char kVerifyInit[] = "C_VerifyInit";
constexpr char kVerify[] = "C_Verify";
constexpr char kVerifyUpdate[] = "C_VerifyUpdate";
constexpr char kVerifyFinal[] = "C_VerifyFinal";
constexpr char kVerifyRecoverInit[] = "C_VerifyRecoverInit";
constexpr char kVerifyRecover[] = "C_VerifyRecover";
constexpr char kDigestEncryptUpdate[] = "C_DigestEncryptUpdate";
constexpr char kDecryptDigestUpdate[] = "C_DecryptDigestUpdate";
constexpr char kSignEncryptUpdate[] = "C_SignEncryptUpdate";
constexpr char kDecryptVerifyUpdate[] = "C_DecryptVerifyUpdate";
constexpr char kGenerateKey[] = "C_GenerateKey";
constexpr char kWrapKey[] = "C_WrapKey";
constexpr char kUnwrapKey[] = "C_UnwrapKey";
constexpr char kDeriveKey[] = "C_DeriveKey";
constexpr char kSeedRandom[] = "C_SeedRandom";
constexpr char kGetFunctionStatus[] = "C_GetFunctionStatus";
constexpr char kCancelFunction[] = "C_CancelFunction";

CK_FUNCTION_LIST makeList() {
  CK_FUNCTION_LIST list{};
  list.version = {2, 20};
  list.C_Initialize = stub_C_Initialize;
  list.C_Finalize = stub_C_Finalize;
  list.C_GetInfo = stub_C_GetInfo;
  list.C_GetFunctionList = stub_C_GetFunctionList;
  list.C_GetSlotList = stub_C_GetSlotList;
  list.C_GetSlotInfo = stub_C_GetSlotInfo;
  list.C_GetTokenInfo = stub_C_GetTokenInfo;
  list.C_GetMechanismList = stub_C_GetMechanismList;
  list.C_GetMechanismInfo = stub_C_GetMechanismInfo;
  list.C_InitToken = stub_C_InitToken;
  list.C_InitPIN = stub_C_InitPIN;
  list.C_SetPIN = stub_C_SetPIN;
  list.C_OpenSession = stub_C_OpenSession;
  list.C_CloseSession = stub_C_CloseSession;
  list.C_CloseAllSessions = stub_C_CloseAllSessions;
  list.C_GetSessionInfo = stub_C_GetSessionInfo;
  list.C_GetOperationState = Unsupported<decltype(list.C_GetOperationState)>::call<kGetOperationState>;
  list.C_SetOperationState = Unsupported<decltype(list.C_SetOperationState)>::call<kSetOperationState>;
  list.C_Login = stub_C_Login;
  list.C_Logout = stub_C_Logout;
  list.C_CreateObject = stub_C_CreateObject;
  list.C_CopyObject = Unsupported<decltype(list.C_CopyObject)>::call<kCopyObject>;
  list.C_DestroyObject = stub_C_DestroyObject;
  list.C_GetObjectSize = Unsupported<decltype(list.C_GetObjectSize)>::call<kGetObjectSize>;
  list.C_GetAttributeValue = stub_C_GetAttributeValue;
  list.C_SetAttributeValue = stub_C_SetAttributeValue;
  list.C_FindObjectsInit = stub_C_FindObjectsInit;
  list.C_FindObjects = stub_C_FindObjects;
  list.C_FindObjectsFinal = stub_C_FindObjectsFinal;
  list.C_EncryptInit = Unsupported<decltype(list.C_EncryptInit)>::call<kEncryptInit>;
  list.C_Encrypt = Unsupported<decltype(list.C_Encrypt)>::call<kEncrypt>;
  list.C_EncryptUpdate = Unsupported<decltype(list.C_EncryptUpdate)>::call<kEncryptUpdate>;
  list.C_EncryptFinal = Unsupported<decltype(list.C_EncryptFinal)>::call<kEncryptFinal>;
  list.C_DecryptInit = Unsupported<decltype(list.C_DecryptInit)>::call<kDecryptInit>;
  list.C_Decrypt = Unsupported<decltype(list.C_Decrypt)>::call<kDecrypt>;
  list.C_DecryptUpdate = Unsupported<decltype(list.C_DecryptUpdate)>::call<kDecryptUpdate>;
  list.C_DecryptFinal = Unsupported<decltype(list.C_DecryptFinal)>::call<kDecryptFinal>;
  list.C_DigestInit = Unsupported<decltype(list.C_DigestInit)>::call<kDigestInit>;
  list.C_Digest = Unsupported<decltype(list.C_Digest)>::call<kDigest>;
  list.C_DigestUpdate = Unsupported<decltype(list.C_DigestUpdate)>::call<kDigestUpdate>;
  list.C_DigestKey = Unsupported<decltype(list.C_DigestKey)>::call<kDigestKey>;
  list.C_DigestFinal = Unsupported<decltype(list.C_DigestFinal)>::call<kDigestFinal>;
  list.C_SignInit = Unsupported<decltype(list.C_SignInit)>::call<kSignInit>;
  list.C_Sign = Unsupported<decltype(list.C_Sign)>::call<kSign>;
  list.C_SignUpdate = Unsupported<decltype(list.C_SignUpdate)>::call<kSignUpdate>;
  list.C_SignFinal = Unsupported<decltype(list.C_SignFinal)>::call<kSignFinal>;
  list.C_SignRecoverInit = Unsupported<decltype(list.C_SignRecoverInit)>::call<kSignRecoverInit>;
  list.C_SignRecover = Unsupported<decltype(list.C_SignRecover)>::call<kSignRecover>;
  list.C_VerifyInit = Unsupported<decltype(list.C_VerifyInit)>::call<kVerifyInit>;
  list.C_Verify = Unsupported<decltype(list.C_Verify)>::call<kVerify>;
  list.C_VerifyUpdate = Unsupported<decltype(list.C_VerifyUpdate)>::call<kVerifyUpdate>;
  list.C_VerifyFinal = Unsupported<decltype(list.C_VerifyFinal)>::call<kVerifyFinal>;
  list.C_VerifyRecoverInit = Unsupported<decltype(list.C_VerifyRecoverInit)>::call<kVerifyRecoverInit>;
  list.C_VerifyRecover = Unsupported<decltype(list.C_VerifyRecover)>::call<kVerifyRecover>;
  list.C_DigestEncryptUpdate = Unsupported<decltype(list.C_DigestEncryptUpdate)>::call<kDigestEncryptUpdate>;
  list.C_DecryptDigestUpdate = Unsupported<decltype(list.C_DecryptDigestUpdate)>::call<kDecryptDigestUpdate>;
  list.C_SignEncryptUpdate = Unsupported<decltype(list.C_SignEncryptUpdate)>::call<kSignEncryptUpdate>;
  list.C_DecryptVerifyUpdate = Unsupported<decltype(list.C_DecryptVerifyUpdate)>::call<kDecryptVerifyUpdate>;
  list.C_GenerateKey = Unsupported<decltype(list.C_GenerateKey)>::call<kGenerateKey>;
  list.C_GenerateKeyPair = stub_C_GenerateKeyPair;
  list.C_WrapKey = Unsupported<decltype(list.C_WrapKey)>::call<kWrapKey>;
  list.C_UnwrapKey = Unsupported<decltype(list.C_UnwrapKey)>::call<kUnwrapKey>;
  list.C_DeriveKey = Unsupported<decltype(list.C_DeriveKey)>::call<kDeriveKey>;
  list.C_SeedRandom = Unsupported<decltype(list.C_SeedRandom)>::call<kSeedRandom>;
  list.C_GenerateRandom = stub_C_GenerateRandom;
  list.C_GetFunctionStatus = Unsupported<decltype(list.C_GetFunctionStatus)>::call<kGetFunctionStatus>;
  list.C_CancelFunction = Unsupported<decltype(list.C_CancelFunction)>::call<kCancelFunction>;
  list.C_WaitForSlotEvent = stub_C_WaitForSlotEvent;
  return list;
}

}  // namespace

CK_FUNCTION_LIST* functionList() {
  static CK_FUNCTION_LIST list = makeList();
  return &list;
}
