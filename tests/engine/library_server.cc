// Calls of a library's functions by name, for emulator.py. A request is a line of a name and up to five numbers:
//   library_server LIBRARY
//   get ADDRESS SIZE     answers with so many bytes of memory
//   put ADDRESS SIZE     and so many bytes for memory; no answer
//   FUNCTION NUMBER..    calls a function of the library or of C; answers with its result, a line
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstring>

using Function = uintptr_t (*)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

int main(int, char **arguments) {
  void *library = dlopen(arguments[1], RTLD_NOW);
  if (!library) return std::fprintf(stderr, "%s\n", dlerror()), 1;
  char line[256], name[64];
  while (std::fgets(line, sizeof line, stdin)) {
    unsigned long long n[5] = {};
    std::sscanf(line, "%63s %llu %llu %llu %llu %llu", name, n, n + 1, n + 2, n + 3, n + 4);
    uintptr_t word[5];
    for (int i = 0; i < 5; ++i) word[i] = static_cast<uintptr_t>(n[i]);
    void *memory = reinterpret_cast<void *>(word[0]);
    if (!std::strcmp(name, "get")) {
      std::fwrite(memory, 1, word[1], stdout);
    } else if (!std::strcmp(name, "put")) {
      if (std::fread(memory, 1, word[1], stdin) != word[1]) return 1;
    } else {
      const auto function = reinterpret_cast<Function>(dlsym(library, name));
      if (!function) return std::fprintf(stderr, "%s\n", dlerror()), 1;
      const unsigned long long result = function(word[0], word[1], word[2], word[3], word[4]);
      std::printf("%llu\n", result);
    }
    std::fflush(stdout);
  }
}
