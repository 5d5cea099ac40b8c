// USB devices and their coming and going, of src/addon.ts.
#ifndef HSM_NATIVE_ADDON_USB_OBJECT_H_
#define HSM_NATIVE_ADDON_USB_OBJECT_H_

#include <napi.h>

namespace hsm::addon {

// listUsbDevices and the class UsbMonitor.
void defineUsb(Napi::Env env, Napi::Object exports);

}  // namespace hsm::addon

#endif  // HSM_NATIVE_ADDON_USB_OBJECT_H_
