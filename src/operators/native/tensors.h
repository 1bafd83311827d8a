// Arguments of an operator as MindSpore passes them: inputs first, then outputs.
#pragma once
#include <cstdint>

namespace bimlp {

class Tensors {
 public:
  Tensors(int count, void **data, int *ranks, int64_t **shapes)
      : count_(count), data_(data), ranks_(ranks), shapes_(shapes) {}

  int count() const { return count_; }
  int64_t dim(int i, int axis) const { return shapes_[i][axis]; }
  int64_t size(int i) const {
    int64_t size = 1;
    for (int axis = 0; axis < ranks_[i]; ++axis) size *= shapes_[i][axis];
    return size;
  }
  template <class T = float>
  T *get(int i) const {
    return static_cast<T *>(data_[i]);
  }

 private:
  int count_;
  void **data_;
  int *ranks_;
  int64_t **shapes_;
};

// Definition of the exported function `name`, followed by its body, which sees the Tensors `t`. An exception gives 1.
#define OPERATOR(name)                                                                                       \
  static void name##_body(const Tensors &t);                                                                 \
  extern "C" int name(int count, void **data, int *ranks, int64_t **shapes, const char **, void *, void *) { \
    try {                                                                                                    \
      name##_body(Tensors(count, data, ranks, shapes));                                                      \
    } catch (...) {                                                                                          \
      return 1;                                                                                              \
    }                                                                                                        \
    return 0;                                                                                                \
  }                                                                                                          \
  static void name##_body(const Tensors &t)

}  // namespace bimlp
