// hsmplayer <module>: plays PKCS#11 calls that arrive on standard input, one line each, and answers on standard
// output. Every lane is a thread of its own, so that calls of several lanes overlap as the caller wants.
#include <dlfcn.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "calls.h"

namespace {

void print(const std::string& line) {
  static std::mutex lock;
  const std::lock_guard guard(lock);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

struct Command {
  CK_ULONG sequence;
  std::string function;
  player::Words words;
};

/** A thread that plays its commands in their order. */
class Lane {
 public:
  explicit Lane(CK_FUNCTION_LIST& module) : module_(module), thread_([this] { run(); }) {}

  void push(Command command) {
    {
      const std::lock_guard guard(lock_);
      queue_.push_back(std::move(command));
    }
    wake_.notify_one();
  }

  void detach() { thread_.detach(); }

 private:
  void run() {
    while (true) {
      std::unique_lock guard(lock_);
      wake_.wait(guard, [this] { return !queue_.empty(); });
      Command command = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      print("{\"seq\":" + std::to_string(command.sequence) + ",\"started\":true}");
      const player::Answer answer = player::play(module_, command.function, command.words);
      print("{\"seq\":" + std::to_string(command.sequence) + ",\"rv\":\"" + std::to_string(answer.rv) +
            "\",\"out\":" + answer.out.end() + "}");
    }
  }

  CK_FUNCTION_LIST& module_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  std::thread thread_;
};

CK_FUNCTION_LIST* load(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "hsmplayer: %s\n", dlerror());
    return nullptr;
  }
  const auto getFunctionList = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* list = nullptr;
  if (getFunctionList == nullptr || getFunctionList(&list) != CKR_OK || list == nullptr) {
    std::fprintf(stderr, "hsmplayer: %s is no PKCS#11 module\n", path);
    return nullptr;
  }
  return list;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: hsmplayer <module>\n");
    return 2;
  }
  CK_FUNCTION_LIST* module = load(argv[1]);
  if (module == nullptr) return 3;
  print("{\"ready\":true}");
  std::map<CK_ULONG, std::unique_ptr<Lane>> lanes;
  std::string line;
  while (std::getline(std::cin, line)) {
    player::Words words(line);
    const CK_ULONG sequence = words.number();
    const CK_ULONG number = words.number();
    std::string function = words.text();
    std::unique_ptr<Lane>& lane = lanes[number];
    if (!lane) lane = std::make_unique<Lane>(*module);
    lane->push({sequence, std::move(function), std::move(words)});
  }
  // The caller closed our input: a lane may still sit in a call that never ends, so nothing is joined, and the
  // module is left as a killed process leaves it (the recordings' @process_exit).
  for (auto& [number, lane] : lanes) lane->detach();
  std::_Exit(0);
}
