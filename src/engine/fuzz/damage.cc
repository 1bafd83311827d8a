#include "damage.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../native/file/crc32.h"
#include "../native/file/packed_file.h"
#include "../native/graph/ops.h"

namespace bimlp::fuzz {
namespace {

constexpr size_t kHeaderAt = 12, kSizeAt = 16, kWordsAt = 80, kTextsAt = 84, kAlignment = 16;
constexpr size_t kMoreTensors = 1 << 16;

void put(Bytes &file, size_t at, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes && at + i < file.size(); ++i) file[at + i] = static_cast<uint8_t>(value >> 8 * i);
}

uint32_t word_at(const Bytes &file, size_t at) {
  uint32_t value;
  std::memcpy(&value, file.data() + at, sizeof value);
  return value;
}

template <class T>
Bytes bytes_of(const T *from, size_t count) {
  const auto *at = reinterpret_cast<const uint8_t *>(from);
  return from ? Bytes(at, at + count * sizeof(T)) : Bytes();
}

Bytes tensors_of(const Graph &graph, const Node &n) {
  Bytes all;
  const uint32_t channels = graph.shape_of(n.inputs[0]).channels;
  const size_t numbers = n.filter || n.bits ? n[kFilters] * n.filter_size(channels) : 0;
  for (const Bytes &part :
       {bytes_of(n.vectors[0].data, n.vectors[0].size), bytes_of(n.vectors[1].data, n.vectors[1].size),
        bytes_of(n.filter, numbers), bytes_of(n.bits, (numbers + 31) / 32), bytes_of(n.order, channels)})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A word near this one, a small one, one that is a limit, or any.
uint32_t another(uint32_t word, Random &random) {
  constexpr uint32_t values[] = {
      0,    1,    2,     3,     4,       5,          6,          7,          8,          12,         15,
      16,   17,   31,    32,    33,      63,         64,         65,         127,        128,        255,
      2048, 4096, 65535, 65536, 1 << 22, 0x00800000, 0x3f800000, 0x7f800000, 0x7fc00000, 0x7f7fffff, 0xff7fffff,
      10,   36,   48,    96,    1000000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xfffffffe, 0xffffffff};
  switch (random.below(6)) {
    case 0: return word + 1;
    case 1: return word - 1;
    case 2: return word * 2 + static_cast<uint32_t>(random.below(2));
    case 3: return static_cast<uint32_t>(random.below(9));
    case 4: return random.next();
    default: return values[random.below(std::size(values))];
  }
}

// Adds `step` to the values above `value` that nodes from `first` on read.
void renumber(Parts &parts, size_t first, uint32_t value, uint32_t step) {
  for (size_t i = first; i < parts.nodes.size(); ++i) {
    NodePart &n = parts.nodes[i];
    for (size_t at = n.inputs_begin; at < n.inputs_end; ++at) n.words[at] += n.words[at] > value ? step : 0;
  }
}

// Leaves a node out, does it twice, or moves it, mostly with its tensors, and mostly so that others still read what
// they read.
void move_node(Parts &parts, Random &random) {
  const size_t i = random.below(parts.nodes.size()), j = random.below(parts.nodes.size());
  NodePart node = parts.nodes[i];
  const size_t kind = random.below(3);  // leave out, twice, elsewhere
  if (kind != 1) {
    if (random.one_in(5)) std::swap(node.tensors, parts.nodes[(i + 1) % parts.nodes.size()].tensors);
    parts.nodes.erase(parts.nodes.begin() + i);
    if (!random.one_in(3)) renumber(parts, i, static_cast<uint32_t>(i), -1u);
  }
  if (kind != 0) {
    const size_t to = std::min(j, parts.nodes.size());
    if (random.one_in(5)) node.tensors.clear();
    parts.nodes.insert(parts.nodes.begin() + to, node);
    if (!random.one_in(3)) renumber(parts, to + 1, static_cast<uint32_t>(to), 1);
  }
}

void damage_tensors(NodePart &node, Random &random) {
  Bytes &t = node.tensors;
  if (t.empty()) return;
  const size_t at = random.below(t.size() / 4) * 4;
  switch (random.below(4)) {
    case 0: return put(t, at, 0x7f000000 | random.next() >> 9, 4);  // huge, finite
    case 1: return t.resize(at);
    case 2: return t.insert(t.end(), 4 * (1 + random.below(16)), 0), void();
    default: return put(t, at, another(word_at(t, at), random), 4);
  }
}

void damage(Parts &parts, Random &random) {
  if (parts.nodes.empty()) return;
  NodePart &node = parts.nodes[random.below(parts.nodes.size())];
  switch (random.below(8)) {
    case 0:  // its operation, or a count
      node.words[0] = random.one_in(2) ? 1 + static_cast<uint32_t>(random.below(kOps)) : another(node.words[0], random);
      break;
    case 1:
      for (size_t at = node.inputs_begin; at < node.inputs_end; ++at) {
        if (random.one_in(2)) node.words[at] = static_cast<uint32_t>(random.below(parts.nodes.size() + 2));
      }
      break;
    case 2: return move_node(parts, random);
    case 3: return damage_tensors(node, random);
    case 4: {  // a field, 4 bytes
      const size_t at = random.one_in(2) ? 24 + 4 * random.below(14) : 4 * random.below(kFields / 4);
      put(parts.fields, at, another(word_at(parts.fields, at), random), 4);
      break;
    }
    case 5:
      if (!parts.texts.empty() && random.one_in(2))
        put(parts.texts, random.below(parts.texts.size()), random.next(), 1);
      [[fallthrough]];
    default: {
      uint32_t &word = node.words[random.below(node.words.size())];
      word = another(word, random);
    }
  }
}

// Damages bytes anywhere.
void damage_bytes(Bytes &file, Random &random) {
  const size_t at = random.below(file.size());
  switch (random.below(6)) {
    case 0: file[at] ^= static_cast<uint8_t>(1 << random.below(8)); break;
    case 1: file[at] = static_cast<uint8_t>(random.next()); break;
    case 2: file.resize(random.one_in(2) ? at : file.size() - std::min(file.size(), random.below(64))); break;
    case 3:
      file.insert(file.begin() + at, 1 + random.below(64), static_cast<uint8_t>(random.one_in(2) ? 0 : random.next()));
      break;
    case 4: put(file, at / 4 * 4, another(0, random), 4); break;
    default: {  // swaps two chunks
      const size_t length = 1 + random.below(64), other = random.below(file.size());
      for (size_t i = 0; i < length && std::max(at, other) + i < file.size(); ++i)
        std::swap(file[at + i], file[other + i]);
    }
  }
}

void mend(Bytes &file) {
  put(file, kSizeAt, file.size(), 8);
  mend_checksum(file);
}

}  // namespace

Parts::Parts(const Bytes &file) {
  const PackedFile read = read_packed_file(file.data(), file.size());
  fields.assign(file.begin(), file.begin() + kFields);
  texts.assign(file.begin() + kFields, file.begin() + kFields + word_at(file, kTextsAt) + word_at(file, kTextsAt + 4));
  size_t at = word_at(file, kHeaderAt);
  for (const Node &n : read.graph.nodes) {
    const OpRow &row = op_row(n.op);
    NodePart part;
    part.inputs_begin = row.inputs ? 1 : 2;
    part.inputs_end = part.inputs_begin + n.inputs.size();
    size_t words = part.inputs_end + (row.has_filter() ? 3 : 0) + row.attributes.size();
    for (const TensorRow &t : row.tensors) words += t.kind == TensorKind::kVector;
    for (size_t i = 0; i < words; ++i, at += 4) part.words.push_back(word_at(file, at));
    part.tensors = tensors_of(read.graph, n);
    nodes.push_back(part);
  }
}

Bytes Parts::file() const {
  Bytes out = fields;
  out.insert(out.end(), texts.begin(), texts.end());
  out.resize((out.size() + kAlignment - 1) / kAlignment * kAlignment);
  const size_t header = out.size();
  for (const NodePart &n : nodes) {
    const Bytes words = bytes_of(n.words.data(), n.words.size());
    out.insert(out.end(), words.begin(), words.end());
  }
  put(out, kHeaderAt, header, 4);
  put(out, kWordsAt, (out.size() - header) / 4, 4);
  for (const NodePart &n : nodes) out.insert(out.end(), n.tensors.begin(), n.tensors.end());
  out.resize(out.size() + kChecksum);
  mend(out);
  return out;
}

Bytes damaged(const Parts &whole, Random &random) {
  Parts parts = whole;
  for (size_t i = 0, times = random.one_in(8) ? 0 : 1 + random.below(3); i < times; ++i) damage(parts, random);
  Bytes file = parts.file();
  if (random.one_in(3)) {
    damage_bytes(file, random);
    if (file.size() < kFields + kChecksum || random.one_in(4)) return file;
    random.one_in(3) ? mend_checksum(file) : mend(file);
  }
  return file;
}

bool fit(Bytes &file, const std::string &message, Random &random) {
  const std::string before = "packed file: expected tensors up to the checksum, got ";
  const size_t end = file.size() - kChecksum;
  if (message.rfind(before, 0) == 0) {
    const size_t more = std::strtoull(message.c_str() + before.size(), nullptr, 10);
    file.erase(file.begin() + (end - more), file.begin() + end);
  } else if (message.find("expected more bytes of tensors") != std::string::npos) {
    const size_t begin = end - end % 4;
    file.insert(file.begin() + begin, kMoreTensors, 0);
    if (random.one_in(2)) {
      for (size_t at = begin; at < begin + kMoreTensors; at += 4) put(file, at, 0x3d000000 | random.next() >> 10, 4);
    }
  } else {
    return false;
  }
  mend(file);
  return true;
}

void mend_checksum(Bytes &file) {
  const size_t end = file.size() - kChecksum;
  put(file, end, crc32(file.data(), end), kChecksum);
}

}  // namespace bimlp::fuzz
