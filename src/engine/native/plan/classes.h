// Classes of a map's positions, by the taps of a window that lie inside of the map.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace bimlp {

// Taps [first, last) along an axis that lie inside of the map.
using Taps = std::pair<int, int>;

// Classes of the places along an axis by their taps inside of the map.
struct Classes {
  std::vector<Taps> taps;   // by class
  std::vector<int32_t> of;  // by place

  Classes(int places, int size, int kernel, int stride, int before) {
    std::map<Taps, int32_t> found;
    for (int i = 0; i < places; ++i) {
      const int from = i * stride - before;
      const Taps inside = {std::min(std::max(0, -from), kernel), std::max(std::min(kernel, size - from), 0)};
      const auto [at, is_new] = found.emplace(inside, static_cast<int32_t>(taps.size()));
      if (is_new) taps.push_back(inside);
      of.push_back(at->second);
    }
  }
};

}  // namespace bimlp
