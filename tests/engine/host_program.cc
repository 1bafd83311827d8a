// A program with a locale and a floating-point mode of its own that uses the engine.
//   host_program model locale    prints 0.5, the engine's description, and its logits of a black image as hexadecimal
//   bits, by the engine's own threads and by the program's
#include <cfenv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <locale>
#include <thread>
#include <vector>

#include "bimlp.h"

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\1"; }
};

// The program's threads round upward and have flags that the engine looks at in its own.
void parallel(void *, int items, void (*item)(void *, int), void *context) {
  std::vector<std::thread> threads;
  for (int i = 0; i < items; ++i) {
    threads.emplace_back([=] {
      std::fesetround(FE_UPWARD);
      std::feraiseexcept(FE_INVALID | FE_OVERFLOW);
      item(context, i);
      if (std::fegetround() != FE_UPWARD || !std::fetestexcept(FE_OVERFLOW)) std::abort();
    });
  }
  for (auto &thread : threads) thread.join();
}

void print(const float *logits) {
  for (int k = 0; k < 3; ++k) {
    unsigned bits;
    std::memcpy(&bits, logits + k, sizeof bits);
    std::printf("%08x ", bits);
  }
  std::puts("");
}

int main(int, char **arguments) {
  std::setlocale(LC_NUMERIC, arguments[2]);
  std::locale::global(std::locale(std::locale::classic(), new Comma));
  std::fesetround(FE_UPWARD);
  std::printf("%.1f\n", 0.5);
  bimlp_engine *engine;
  std::vector<unsigned char> pixels(1 << 20);
  float logits[3];
  if (bimlp_open(arguments[1], 2, &engine) || bimlp_run_pixels(engine, pixels.data(), 1, logits)) return 1;
  std::puts(bimlp_describe(engine));
  print(logits);
  if (bimlp_set_parallel(engine, parallel, nullptr) || bimlp_run_pixels(engine, pixels.data(), 1, logits)) return 1;
  print(logits);
  bimlp_close(engine);
  return std::fegetround() != FE_UPWARD;
}
