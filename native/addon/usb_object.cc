#include "addon/usb_object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <climits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "addon/environment.h"
#include "addon/values.h"
#include "sysfs/text.h"
#include "sysfs/usb_devices.h"
#include "sysfs/usb_monitor.h"

namespace hsm::addon {
namespace {

using sysfs::UsbMonitor;
using sysfs::UsbNotice;

// A hundred notices wait at most; what comes on top is an overflow, as in the kernel.
constexpr std::size_t kMostNotices = 100;

struct ErrorText {
  std::string code;
  std::string message;
};

ErrorText errorText(int error, const std::string& what) {
  const char* code = strerrorname_np(error);
  const char* text = strerrordesc_np(error);
  return {code == nullptr ? "EUNKNOWN" : code, what + ": " + (text == nullptr ? "unknown error" : text) + "."};
}

std::string withoutNul(std::string path) {
  path.resize(std::min(path.size(), path.find('\0')));
  return path;
}

// listUsbDevices(root, devRoot): Promise of JSON.
Napi::Value listUsbDevicesOf(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto root = stringArgument(env, info[0], "root");
  if (!root) return {};
  auto devRoot = stringArgument(env, info[1], "devRoot");
  if (!devRoot) return {};
  Environment* environment = Environment::of(env);
  const auto channel = environment->channel();
  const Channel::Pending pending = channel->expect(env);
  if (pending.ticket == 0) return {};
  // Not on libuv's pool: reading a string of a device waits while the kernel resets that device.
  const bool started = environment->startJob(
      "hsm-sysfs", [channel, ticket = pending.ticket, root = withoutNul(std::move(*root)),
                    devRoot = sysfs::printable(*devRoot)] {
        auto listing = sysfs::listUsbDevices(root);
        if (const auto* failure = std::get_if<sysfs::Failure>(&listing)) {
          const ErrorText text = errorText(failure->error, sysfs::printable(failure->path) + " cannot be read");
          channel->post(ticket, TextOutcome(Error::own(ErrorClass::Internal, "listUsbDevices", text.message)));
        } else {
          channel->post(ticket, TextOutcome(sysfs::toJson(*std::get_if<sysfs::UsbListing>(&listing), devRoot)));
        }
      });
  if (!started) {
    channel->reject(env, pending.ticket,
                    Error::own(ErrorClass::Internal, "listUsbDevices", "The system gives no more threads."));
  }
  return pending.promise;
}

// Notices on their way from the monitor's thread to JavaScript.
class Mailbox {
 public:
  // From the monitor's thread; true when JavaScript must be woken.
  bool put(UsbNotice notice) {
    const std::lock_guard lock(mutex_);
    const bool wake = notices_.empty();
    if (notices_.size() < kMostNotices || notice.kind == UsbNotice::Kind::Failed) {
      notices_.push_back(std::move(notice));
    } else {
      notices_.back().kind = UsbNotice::Kind::Overflow;
    }
    return wake;
  }
  std::vector<UsbNotice> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(notices_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<UsbNotice> notices_;
};

// new UsbMonitor(listener, fd?, subsystem?). Holds itself until it is closed: whoever listens need not keep it.
class UsbMonitorObject : public Napi::ObjectWrap<UsbMonitorObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "UsbMonitor", {InstanceMethod<&UsbMonitorObject::close>("close")});
  }

  explicit UsbMonitorObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<UsbMonitorObject>(info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsFunction()) {
      Napi::TypeError::New(env, "listener must be a function.").ThrowAsJavaScriptException();
      return;
    }
    std::optional<std::string> subsystem = "usb";
    if (!info[2].IsUndefined()) subsystem = stringArgument(env, info[2], "subsystem");
    if (!subsystem) return;
    auto senders = UsbMonitor::Senders::Kernel;
    int socket = -1;
    if (info[1].IsUndefined()) {
      socket = sysfs::openUeventSocket();
      if (socket < 0) {
        fail(env, errno, "Kernel uevents cannot be had");
        return;
      }
    } else {
      const auto fd = integerArgument(env, info[1], "fd", 0, INT_MAX);
      if (!fd) return;
      socket = static_cast<int>(*fd);
      if (fcntl(socket, F_GETFD) < 0) {
        fail(env, errno, "fd is no open descriptor");
        return;
      }
      senders = UsbMonitor::Senders::Anybody;
    }
    listen(env, info[0], socket, senders, std::move(*subsystem));
  }

  ~UsbMonitorObject() override { stop(); }

 private:
  void listen(Napi::Env env, Napi::Value listener, int socket, UsbMonitor::Senders senders, std::string subsystem) {
    sysfs::Descriptor owned(socket);
    const auto name = Napi::String::New(env, "hsm-usb");
    if (napi_create_threadsafe_function(env, listener, nullptr, name, 0, 1, nullptr, nullptr, this, &deliver, &wake_) !=
        napi_ok) {
      wake_ = nullptr;
      return fail(env, ENOMEM, "Node gives no thread-safe function");
    }
    // The function stays whole as long as the thread: both end in stop(). Full or closing, it drops the wake-up.
    auto sink = [mailbox = mailbox_, wake = wake_](UsbNotice notice) {
      if (mailbox->put(std::move(notice))) (void)napi_call_threadsafe_function(wake, nullptr, napi_tsfn_nonblocking);
    };
    monitor_ = UsbMonitor::start(owned.release(), senders, std::move(subsystem), std::move(sink));
    if (monitor_ == nullptr) {
      napi_release_threadsafe_function(std::exchange(wake_, nullptr), napi_tsfn_abort);
      return fail(env, EAGAIN, "The system gives no thread");
    }
    // Hooks run in reverse order: before Node takes the thread-safe function away.
    napi_add_env_cleanup_hook(env, &UsbMonitorObject::atExit, this);
    Ref();
  }

  static void fail(Napi::Env env, int error, const std::string& what) {
    const ErrorText text = errorText(error, what);
    auto thrown = Napi::Error::New(env, text.message);
    thrown.Set("code", Napi::String::New(env, text.code));
    thrown.ThrowAsJavaScriptException();
  }

  static void atExit(void* self) {
    auto* monitor = static_cast<UsbMonitorObject*>(self);
    monitor->monitor_.reset();
    monitor->wake_ = nullptr;  // Node's from here on
  }

  // Whether there was something to stop.
  bool stop() {
    if (monitor_ == nullptr) return false;
    monitor_.reset();
    napi_remove_env_cleanup_hook(Env(), &UsbMonitorObject::atExit, this);
    napi_release_threadsafe_function(std::exchange(wake_, nullptr), napi_tsfn_abort);
    return true;
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    if (stop()) Unref();
    return info.Env().Undefined();
  }

  static void deliver(napi_env rawEnv, napi_value listener, void* self, void* /*data*/) {
    if (rawEnv == nullptr || listener == nullptr) return;  // the environment is going down
    const Napi::Env env(rawEnv);
    const auto mailbox = static_cast<UsbMonitorObject*>(self)->mailbox_;
    auto* const monitor = static_cast<UsbMonitorObject*>(self);
    for (const UsbNotice& notice : mailbox->take()) {
      if (monitor->wake_ == nullptr) return;  // the listener closed it
      const Napi::HandleScope scope(env);
      napi_value arguments[4];
      arguments[0] = Napi::String::New(env, kindName(notice.kind));
      arguments[1] = Napi::String::New(env, notice.kind == UsbNotice::Kind::Failed
                                                ? errorText(notice.error, "Kernel uevents ended").message
                                                : notice.action);
      arguments[2] = Napi::String::New(env, notice.devpath);
      arguments[3] = Napi::String::New(env, notice.devtype);
      napi_value ignored = nullptr;
      // What the listener throws goes to the process, as from any callback; later notices wait for no one.
      if (napi_call_function(env, env.Undefined(), listener, 4, arguments, &ignored) != napi_ok) return;
    }
  }

  static const char* kindName(UsbNotice::Kind kind) {
    switch (kind) {
      case UsbNotice::Kind::Event: return "event";
      case UsbNotice::Kind::Overflow: return "overflow";
      case UsbNotice::Kind::Failed: return "failed";
    }
    return "";
  }

  const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  std::unique_ptr<UsbMonitor> monitor_;
  napi_threadsafe_function wake_ = nullptr;
};

}  // namespace

void defineUsb(Napi::Env env, Napi::Object exports) {
  exports.Set("UsbMonitor", UsbMonitorObject::define(env));
  exports.Set("listUsbDevices", Napi::Function::New<&listUsbDevicesOf>(env, "listUsbDevices"));
}

}  // namespace hsm::addon
