#include "packed_file.h"

#include <algorithm>
#include <cmath>

#include "../graph/ops.h"
#include "crc32.h"
#include "texts.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packed files are read where they lie, in little-endian order"
#endif

namespace bimlp {
namespace {

constexpr uint8_t kMagic[8] = {0x89, 'B', 'i', 'M', 'L', 'P', '\r', '\n'};
constexpr uint32_t kVersion = 3, kMaxImage = 2048, kMaxName = 64;
constexpr double kMaxColour = 1000, kMinStd = 0.001;
constexpr size_t kFixed = 96, kAlignment = 16, kChecksum = 4;

std::string text(uint64_t v) { return std::to_string(v); }

template <class T>
T number_at(const uint8_t *at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// Words of the nodes, one after the other.
class Words {
 public:
  Words(const uint32_t *at, size_t count) : at_(at), end_(at + count) {}

  bool more() const { return at_ != end_; }
  uint32_t take() {
    if (at_ == end_) throw Error("expected more numbers of a node, got the end of the nodes");
    return *at_++;
  }
  uint32_t take(const char *name, uint32_t low, uint32_t high) {
    const uint32_t v = take();
    expect(v >= low && v <= high, name, text(low) + " to " + text(high), v);
    return v;
  }

 private:
  const uint32_t *at_, *end_;
};

// Tensors, one after the other.
class Tensors {
 public:
  Tensors(const uint8_t *at, const uint8_t *end) : at_(at), end_(end) {}

  const uint32_t *words(uint64_t count) {
    const auto left = static_cast<uint64_t>(end_ - at_) / 4;
    if (count > left) throw Error("expected more bytes of tensors, got the end of the file");
    const auto *from = reinterpret_cast<const uint32_t *>(at_);
    at_ += count * 4;
    return from;
  }

  const float *floats(uint64_t count) {
    const auto *from = reinterpret_cast<const float *>(words(count));
    if (!std::all_of(from, from + count, [](float v) { return std::isfinite(v); }))
      throw Error("expected finite numbers, got one that is not");
    return from;
  }

  const uint32_t *bits(uint64_t count) {
    const uint32_t *from = words((count + 31) / 32);
    if (count % 32 && from[count / 32] >> count % 32) throw Error("expected zeros behind the last bit, got ones");
    return from;
  }

  // Order of `count` channels, each once.
  const uint32_t *order(uint32_t count) {
    const uint32_t *from = words(count);
    std::vector<bool> seen(count);
    for (uint32_t i = 0; i < count; ++i) {
      if (from[i] >= count || seen[from[i]]) throw Error("order: expected each channel once");
      seen[from[i]] = true;
    }
    return from;
  }

  uint64_t left() const { return static_cast<uint64_t>(end_ - at_); }

 private:
  const uint8_t *at_, *end_;
};

// Next node of a graph. vectors[i]: whether vector i has a number for each channel.
Node read_node(Words &words, const Graph &graph, bool (&vectors)[2]) {
  Node node;
  const OpRow &row = op_row(words.take());
  node.op = row.op;
  const uint32_t inputs = row.inputs ? row.inputs : words.take("inputs", 1, kMaxInputs);
  std::vector<Shape> shapes;
  for (uint32_t i = 0; i < inputs; ++i) {
    node.inputs.push_back(words.take("value", 0, static_cast<uint32_t>(graph.nodes.size())));
    shapes.push_back(graph.shape_of(node.inputs.back()));
  }
  if (row.has_filter()) {
    node.attributes[kFilters] = words.take("filters", 1, kMaxChannels);
    node.attributes[kKernelHeight] = words.take("kernel", 1, kMaxWindow);
    node.attributes[kKernelWidth] = words.take("kernel", 1, kMaxWindow);
  }
  for (const AttributeRow &a : row.attributes) {
    node.attributes[a.attribute] = words.take(a.name, a.low, a.high);
    if (a.is_real()) check_real(a, node.real(a.attribute));
  }
  int vector = 0;
  for (const TensorRow &t : row.tensors) {
    if (t.kind == TensorKind::kVector) vectors[vector++] = words.take(t.name, 0, 1) == 1;
  }
  if (node.op == Op::kBinaryConv2d && (node.inputs[0] == 0 || graph.maker(node.inputs[0]).op != Op::kBinarize))
    throw Error("input: expected a value that binarize makes");
  node.shape = row.shape(node, shapes);
  return node;
}

void read_tensors(Tensors &tensors, Node &node, uint32_t channels, const bool (&vectors)[2]) {
  int vector = 0;
  for (const TensorRow &t : op_row(node.op).tensors) {
    const uint64_t numbers =
        t.kind == TensorKind::kFilter || t.kind == TensorKind::kBits ? node[kFilters] * node.filter_size(channels) : 0;
    switch (t.kind) {
      case TensorKind::kVector: {
        const uint32_t size = vectors[vector] ? channels : 1;
        node.vectors[vector++] = {tensors.floats(size), size};
        break;
      }
      case TensorKind::kFilter: node.filter = tensors.floats(numbers); break;
      case TensorKind::kBits: node.bits = tensors.bits(numbers); break;
      case TensorKind::kIndex: node.order = tensors.order(channels); break;
    }
  }
}

Graph read_graph(uint32_t size, Words words, Tensors tensors) {
  Graph graph{{3, size, size}, {}};
  while (words.more()) {
    expect(graph.nodes.size() < kMaxNodes, "nodes", "at most " + text(kMaxNodes), graph.nodes.size() + 1);
    const size_t number = graph.nodes.size() + 1;
    try {
      bool present[2] = {};
      graph.nodes.push_back(read_node(words, graph, present));
      read_tensors(tensors, graph.nodes.back(), graph.shape_of(graph.nodes.back().inputs[0]).channels, present);
    } catch (const Error &error) {
      throw Error("node " + text(number) + ": " + error.what());
    }
  }
  if (tensors.left()) throw Error("expected tensors up to the checksum, got " + text(tensors.left()) + " bytes more");
  check_limits(graph);
  return graph;
}

Header read_header(const uint8_t *data) {
  Header h;
  h.image_size = number_at<uint32_t>(data + 24);
  h.resize = number_at<uint32_t>(data + 28);
  expect(h.image_size >= 1 && h.image_size <= kMaxImage, "image size", "1 to " + text(kMaxImage) + " pixels",
         h.image_size);
  expect(h.resize >= h.image_size && h.resize <= 2 * kMaxImage, "resize", "at least the image size", h.resize);
  for (int c = 0; c < 3; ++c) {
    h.mean[c] = number_at<double>(data + 32 + 8 * c);
    h.std[c] = number_at<double>(data + 56 + 8 * c);
    if (!(std::fabs(h.mean[c]) <= kMaxColour)) throw Error("mean: expected at most 1000 either way");
    if (!(h.std[c] >= kMinStd && h.std[c] <= kMaxColour)) throw Error("std: expected 0.001 to 1000");
  }
  return h;
}

PackedFile read(const uint8_t *data, size_t size) {
  expect(size >= kFixed + kChecksum, "size", "at least " + text(kFixed + kChecksum) + " bytes", size);
  expect(size <= kMaxFileBytes, "size", "at most " + text(kMaxFileBytes) + " bytes", size);
  if (std::memcmp(data, kMagic, sizeof kMagic) != 0)
    throw Error("expected the signature of a packed file, got other bytes");
  const auto version = number_at<uint32_t>(data + 8);
  if (version >= 1 && version < kVersion)
    throw Error("version: expected " + text(kVersion) + ", got " + text(version) + "; export the network again");
  expect(version == kVersion, "version", text(kVersion), version);
  const auto bytes = number_at<uint64_t>(data + 16);
  expect(bytes == size, "size", text(bytes) + " bytes, as its header says", size);
  PackedFile file;
  file.header = read_header(data);
  const auto header = number_at<uint32_t>(data + 12), words = number_at<uint32_t>(data + 80);
  const auto name_bytes = number_at<uint32_t>(data + 84), names_bytes = number_at<uint32_t>(data + 88);
  expect(number_at<uint32_t>(data + 92) == 0, "reserved field", "0", number_at<uint32_t>(data + 92));
  expect(name_bytes <= kMaxName, "variant's name", "at most " + text(kMaxName) + " bytes", name_bytes);
  const uint64_t texts = kFixed + uint64_t{name_bytes} + names_bytes;
  expect(header == (texts + kAlignment - 1) / kAlignment * kAlignment, "header", "what its texts take", header);
  const uint64_t nodes_end = header + 4 * uint64_t{words};
  expect(nodes_end + kChecksum <= size, "nodes", "to end within the file", words);
  const uint8_t *end = data + size - kChecksum;
  if (crc32(data, size - kChecksum) != number_at<uint32_t>(end))
    throw Error("its checksum does not match: the file is damaged");
  for (uint64_t i = texts; i < header; ++i) expect(data[i] == 0, "filling", "zeros", data[i]);
  if ((size - nodes_end) % 4) throw Error("size: expected a multiple of 4 bytes behind the nodes");
  file.graph = read_graph(file.header.image_size, {reinterpret_cast<const uint32_t *>(data + header), words},
                          {data + nodes_end, end});
  const uint8_t *names = data + kFixed + name_bytes;
  file.header.variant = read_line(data + kFixed, names);
  file.header.class_names = read_lines(names, names + names_bytes, file.graph.classes());
  return file;
}

}  // namespace

PackedFile read_packed_file(const uint8_t *data, size_t size) {
  try {
    return read(data, size);
  } catch (const Error &error) {
    throw Error(std::string("packed file: ") + error.what());
  }
}

}  // namespace bimlp
