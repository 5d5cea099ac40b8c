#ifndef HSM_NATIVE_CRYPTOKI_THREAD_H_
#define HSM_NATIVE_CRYPTOKI_THREAD_H_

#include <functional>

namespace hsm {

// Runs `body` on a new detached thread that takes no signals. False when the system gives none (std::thread
// would throw, and this is built without exceptions). Detached, because a call into a library that hangs cannot
// be ended: whoever must wait for `body` does so by means of its own.
bool startDetachedThread(const char* name, std::function<void()> body);

}  // namespace hsm

#endif  // HSM_NATIVE_CRYPTOKI_THREAD_H_
