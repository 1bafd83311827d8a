// A program with a locale and a floating-point mode of its own that uses the engine.
//   host_program model locale    prints 0.5, the engine's description, and its logits of a black image as hexadecimal
//   bits
#include <cfenv>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <locale>
#include <vector>

#include "bimlp.h"

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\1"; }
};

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
  for (const float logit : logits) {
    unsigned bits;
    std::memcpy(&bits, &logit, sizeof bits);
    std::printf("%08x ", bits);
  }
  bimlp_close(engine);
  return std::fegetround() != FE_UPWARD;
}
