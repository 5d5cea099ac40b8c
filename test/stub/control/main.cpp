// hsmcard <folder> <command...>: what happens to the card from outside. See docs/conformance.md for the commands.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "command.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: hsmcard <folder> <command> [arguments]\n");
    return 2;
  }
  const std::vector<std::string> words(argv + 2, argv + argc);
  try {
    control::run(argv[1], words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hsmcard: %s\n", error.what());
    return 1;
  }
  return 0;
}
