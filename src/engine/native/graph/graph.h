// Graph: a list of nodes, each of which makes one value. Value 0 is the image, node i (from 1 on) makes value i, the
// last value is the output. FORMAT.md describes the operations; src/graph/ops.py has the same table.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace bimlp {

// Operations by their numbers in packed files.
enum class Op : uint32_t {
  kConv2d = 1,
  kBinarize,
  kBinaryConv2d,
  kAffine,
  kPrelu,
  kUnary,
  kAdd,
  kMul,
  kConcat,
  kSlice,
  kPermute,
  kGroupMean,
  kPool,
  kGlobalMean,
  kSoftmax,
  kLayerNorm
};
constexpr uint32_t kOps = 16;

enum class Levels : uint32_t { kSigns, kZeroOne, kThree };  // -1 and 1; 0 and 1; -1, 0 and 1
enum class Function : uint32_t {
  kSigmoid,
  kGelu,
  kTanh,
  kCos,
  kSin,
  kHardtanh,
  kRelu6,
  kHardsigmoid,
  kHardswish,
  kSilu
};
constexpr uint32_t kFunctions = 10;

// Attributes of all operations. A node has those of its row of the table (ops.h).
enum Attribute {
  kFilters,
  kKernelHeight,
  kKernelWidth,
  kStride,
  kTop,
  kLeft,
  kBottom,
  kRight,
  kGroups,
  kPadValue,  // bits of a float
  kLevels,
  kFunction,
  kStart,
  kStep,
  kCount,
  kGroup,
  kKind,     // of pool: 0 max, 1 average
  kEpsilon,  // bits of a float
  kAttributes
};

// Map of one image. A vector is a map of 1 x 1.
struct Shape {
  uint32_t channels, height, width;

  size_t positions() const { return size_t(height) * width; }
  size_t numbers() const { return positions() * channels; }
};

// One number for each channel, or one for all.
struct Vector {
  const float *data = nullptr;
  uint32_t size = 0;

  float operator[](size_t channel) const { return data[size == 1 ? 0 : channel]; }
};

struct Node {
  Op op;
  std::vector<uint32_t> inputs;
  Shape shape;
  uint32_t attributes[kAttributes] = {};
  // tensors, in the file
  Vector vectors[2];                // threshold; factor and offset; positive and negative slope
  const float *filter = nullptr;    // O x C / groups x kernel height x kernel width
  const uint32_t *bits = nullptr;   // the same order, 32 in a word
  const uint32_t *order = nullptr;  // permute: by channel of the output

  uint32_t operator[](Attribute a) const { return attributes[a]; }
  Levels levels() const { return static_cast<Levels>(attributes[kLevels]); }
  float pad_value() const { return real(kPadValue); }
  float epsilon() const { return real(kEpsilon); }
  // Value of an attribute whose word is a 32-bit float.
  float real(Attribute a) const {
    float value;
    std::memcpy(&value, &attributes[a], sizeof value);
    return value;
  }
  // Numbers or bits of one filter.
  size_t filter_size(uint32_t channels) const {
    return size_t(channels / attributes[kGroups]) * attributes[kKernelHeight] * attributes[kKernelWidth];
  }
};

struct Graph {
  Shape image;
  std::vector<Node> nodes;

  const Shape &shape_of(uint32_t value) const { return value ? nodes[value - 1].shape : image; }
  const Node &maker(uint32_t value) const { return nodes[value - 1]; }
  uint32_t classes() const { return nodes.back().shape.channels; }
};

}  // namespace bimlp
