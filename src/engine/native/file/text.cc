#include "text.h"

#include <iomanip>
#include <locale>
#include <sstream>

namespace bimlp {
namespace {

std::ostringstream classic() {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  return out;
}

}  // namespace

std::string exact(double value) {
  std::ostringstream out = classic();
  out << std::setprecision(17) << value;
  return out.str();
}

std::string fixed(double value, int digits, int width) {
  std::ostringstream out = classic();
  out << std::fixed << std::setprecision(digits) << std::setw(width) << value;
  return out.str();
}

}  // namespace bimlp
