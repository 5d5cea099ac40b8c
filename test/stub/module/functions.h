// The functions that the stub implements, and the list that C_GetFunctionList hands out.
#pragma once

#include <p11-kit/pkcs11.h>

/** The list; every function that is not implemented answers CKR_FUNCTION_NOT_SUPPORTED. */
CK_FUNCTION_LIST* functionList();

CK_RV stub_C_Initialize(void* arguments);
CK_RV stub_C_Finalize(void* reserved);
CK_RV stub_C_GetInfo(CK_INFO* info);
CK_RV stub_C_GetFunctionList(CK_FUNCTION_LIST** list);
CK_RV stub_C_GetSlotList(CK_BBOOL tokenPresent, CK_SLOT_ID* list, CK_ULONG* count);
CK_RV stub_C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO* info);
CK_RV stub_C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO* info);
CK_RV stub_C_GetMechanismList(CK_SLOT_ID id, CK_MECHANISM_TYPE* list, CK_ULONG* count);
CK_RV stub_C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info);
CK_RV stub_C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID* slot, void* reserved);
CK_RV stub_C_InitToken(CK_SLOT_ID id, unsigned char* pin, CK_ULONG pinLength, unsigned char* label);
CK_RV stub_C_OpenSession(CK_SLOT_ID id, CK_FLAGS flags, void* application, CK_NOTIFY notify,
                         CK_SESSION_HANDLE* handle);
CK_RV stub_C_CloseSession(CK_SESSION_HANDLE handle);
CK_RV stub_C_CloseAllSessions(CK_SLOT_ID id);
CK_RV stub_C_GetSessionInfo(CK_SESSION_HANDLE handle, CK_SESSION_INFO* info);
CK_RV stub_C_Login(CK_SESSION_HANDLE handle, CK_USER_TYPE type, unsigned char* pin, CK_ULONG length);
CK_RV stub_C_Logout(CK_SESSION_HANDLE handle);
CK_RV stub_C_InitPIN(CK_SESSION_HANDLE handle, unsigned char* pin, CK_ULONG length);
CK_RV stub_C_SetPIN(CK_SESSION_HANDLE handle, unsigned char* before, CK_ULONG beforeLength, unsigned char* after,
                    CK_ULONG afterLength);
CK_RV stub_C_CreateObject(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count,
                          CK_OBJECT_HANDLE* object);
CK_RV stub_C_DestroyObject(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object);
CK_RV stub_C_GetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                               CK_ULONG count);
CK_RV stub_C_SetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                               CK_ULONG count);
CK_RV stub_C_FindObjectsInit(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count);
CK_RV stub_C_FindObjects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* found, CK_ULONG most, CK_ULONG* count);
CK_RV stub_C_FindObjectsFinal(CK_SESSION_HANDLE handle);
CK_RV stub_C_GenerateRandom(CK_SESSION_HANDLE handle, unsigned char* data, CK_ULONG length);
CK_RV stub_C_GenerateKeyPair(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_ATTRIBUTE* publicPart,
                             CK_ULONG publicCount, CK_ATTRIBUTE* privatePart, CK_ULONG privateCount,
                             CK_OBJECT_HANDLE* publicKey, CK_OBJECT_HANDLE* privateKey);
