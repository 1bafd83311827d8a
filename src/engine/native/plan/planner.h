// Planner: from a graph to a program of fused instructions.
//
// It finds layers with what follows them (recognise.h) and sums of products (expression.h), turns them into
// instructions on positions or rows of a map, and puts as many of them as fit into one sweep over the rows, so that a
// band of rows stays in the cache. Values that only a sweep's positions need live in a thread's tile; all others in one
// arena, where a value takes the place of another that nothing reads any more. All else runs as plain steps.
#pragma once
#include "../graph/graph.h"
#include "program.h"

namespace bimlp {

// Program of a graph from a file of `bytes`, for the instruction set of `kernels`. Throws Error if it takes too much
// memory.
std::unique_ptr<Program> plan(const Graph &graph, const Normalisation &normalisation, size_t bytes,
                              const OpKernels &kernels);

}  // namespace bimlp
