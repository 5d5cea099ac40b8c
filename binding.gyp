{
  "targets": [
    {
      "target_name": "hsm_addon",
      "sources": [
        "native/addon/addon.cc",
        "native/addon/answers.cc",
        "native/addon/arguments.cc",
        "native/addon/channel.cc",
        "native/addon/core_dumps.cc",
        "native/addon/environment.cc",
        "native/addon/provision_calls.cc",
        "native/addon/sha256_job.cc",
        "native/addon/sha256_object.cc",
        "native/addon/token_object.cc",
        "native/addon/usb_object.cc",
        "native/cryptoki/device.cc",
        "native/cryptoki/device_life.cc",
        "native/cryptoki/lock_file.cc",
        "native/cryptoki/login.cc",
        "native/cryptoki/module.cc",
        "native/cryptoki/object_index.cc",
        "native/cryptoki/provision.cc",
        "native/cryptoki/refused_pins.cc",
        "native/cryptoki/return_codes.cc",
        "native/cryptoki/secure_bytes.cc",
        "native/cryptoki/session.cc",
        "native/cryptoki/thread.cc",
        "native/cryptoki/token.cc",
        "native/cryptoki/token_selector.cc",
        "native/sha256/batch.cc",
        "native/sha256/compress.cc",
        "native/sha256/compress_arm.cc",
        "native/sha256/compress_x86.cc",
        "native/sha256/implementation.cc",
        "native/sha256/sha256.cc",
        "native/sysfs/attribute.cc",
        "native/sysfs/text.cc",
        "native/sysfs/uevent.cc",
        "native/sysfs/usb_devices.cc",
        "native/sysfs/usb_monitor.cc"
      ],
      "include_dirs": ["native"],
      # The fourth: an answer that arrives while a worker thread is being ended can be neither delivered nor thrown.
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      "cflags": ["-O2", "-fvisibility=hidden", "-fstack-protector-strong"],
      # Headers that are not ours are system headers, so that our warnings need not be theirs.
      "cflags_cc": [
        "-std=c++20",
        "-fno-exceptions",
        "-fvisibility-inlines-hidden",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Wshadow",
        "-Werror",
        "<!@(node -p \"'-isystem' + path.resolve(require('node-addon-api').include_dir)\")"
      ],
      # The library stays mapped: a thread of the addon may be on its last instructions when a worker's environment
      # ends and Node unloads its addons.
      "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,relro", "-Wl,-z,now"]
    }
  ]
}
