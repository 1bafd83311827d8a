// Run a MINDIR file in MindSpore Lite on the CPU.
//   usage:  run_mindir FILE.mindir FOLDER THREADS REPEATS
// FOLDER/inputs.txt has a line for each input, "NAME RANK SIZE.. FILE", and FILE in FOLDER its numbers of float32:
// those of one batch behind another. The outputs are written to FOLDER/outputs.txt and its files in the same form.
// Prints the milliseconds of the fastest of REPEATS runs after the first ones. Exit code 0; 1 where Lite refuses the
// file or an input, with one line on stderr.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "include/api/context.h"
#include "include/api/model.h"
#include "include/api/types.h"

namespace {

struct Tensor {
  std::vector<int64_t> shape;
  std::string file;
};

[[noreturn]] void fail(const std::string &words) { throw std::runtime_error(words); }

void require(mindspore::Status status, const std::string &what) {
  if (status.IsError()) fail(what + ": MindSpore Lite refuses it, code " + std::to_string(status.StatusCode()));
}

std::map<std::string, Tensor> read_index(const std::string &path) {
  std::ifstream stream(path);
  std::map<std::string, Tensor> tensors;
  std::string name;
  size_t rank = 0;
  while (stream >> name >> rank) {
    Tensor &tensor = tensors[name];
    tensor.shape.resize(rank);
    for (int64_t &size : tensor.shape) stream >> size;
    stream >> tensor.file;
  }
  if (tensors.empty()) fail(path + ": expected a line for each input");
  return tensors;
}

size_t bytes_of(const std::string &path) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  return stream ? static_cast<size_t>(stream.tellg()) : 0;
}

void read_numbers(const std::string &path, size_t batch, mindspore::MSTensor &tensor) {
  std::ifstream stream(path, std::ios::binary);
  void *data = tensor.MutableData();
  stream.seekg(static_cast<std::streamoff>(batch * tensor.DataSize()));
  if (data == nullptr || !stream.read(static_cast<char *>(data), static_cast<std::streamsize>(tensor.DataSize()))) {
    fail(path + ": expected " + std::to_string(tensor.DataSize()) + " bytes for " + tensor.Name());
  }
}

// Shapes the inputs; returns the number of batches.
size_t shape_inputs(mindspore::Model &model, const std::map<std::string, Tensor> &given, const std::string &folder) {
  std::vector<mindspore::MSTensor> inputs = model.GetInputs();
  std::vector<std::vector<int64_t>> shapes;
  for (const auto &input : inputs) {
    const auto found = given.find(input.Name());
    if (found == given.end()) fail(input.Name() + ": expected numbers for this input");
    shapes.push_back(found->second.shape);
  }
  const bool fits = std::equal(inputs.begin(), inputs.end(), shapes.begin(),
                               [](const auto &input, const auto &shape) { return input.Shape() == shape; });
  if (!fits) require(model.Resize(inputs, shapes), "shape of the inputs");
  const auto first = model.GetInputs().front();
  return bytes_of(folder + "/" + given.at(first.Name()).file) / first.DataSize();
}

void load_inputs(mindspore::Model &model, const std::map<std::string, Tensor> &given, const std::string &folder,
                 size_t batch) {
  auto inputs = model.GetInputs();
  for (auto &input : inputs) read_numbers(folder + "/" + given.at(input.Name()).file, batch, input);
}

std::vector<mindspore::MSTensor> predict(mindspore::Model &model) {
  std::vector<mindspore::MSTensor> outputs;
  require(model.Predict(model.GetInputs(), &outputs), "run");
  return outputs;
}

// Appends the numbers of a batch to the files; the first one makes them.
void write_outputs(const std::vector<mindspore::MSTensor> &outputs, const std::string &folder, size_t batch) {
  std::ofstream index(folder + "/outputs.txt");
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string file = "output_" + std::to_string(i);
    const auto &shape = outputs[i].Shape();
    index << outputs[i].Name() << ' ' << shape.size();
    for (int64_t size : shape) index << ' ' << size;
    index << ' ' << file << '\n';
    std::ofstream stream(folder + "/" + file, std::ios::binary | (batch == 0 ? std::ios::trunc : std::ios::app));
    stream.write(static_cast<const char *>(outputs[i].Data().get()),
                 static_cast<std::streamsize>(outputs[i].DataSize()));
    if (!stream) fail(folder + ": cannot be written");
  }
}

double fastest(mindspore::Model &model, int repeats) {
  double best = 0;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    predict(model);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    best = i == 0 ? time.count() : std::min(best, time.count());
  }
  return best;
}

void run(const std::string &path, const std::string &folder, int threads, int repeats) {
  auto context = std::make_shared<mindspore::Context>();
  context->SetThreadNum(threads);
  context->MutableDeviceInfo().push_back(std::make_shared<mindspore::CPUDeviceInfo>());
  mindspore::Model model;
  require(model.Build(path, mindspore::kMindIR, context), path);
  const auto given = read_index(folder + "/inputs.txt");
  const size_t batches = shape_inputs(model, given, folder);
  for (size_t batch = 0; batch < std::max<size_t>(batches, 1); ++batch) {
    load_inputs(model, given, folder, batch);
    write_outputs(predict(model), folder, batch);
  }
  std::printf("%.3f\n", fastest(model, repeats));
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 5) {
    std::fputs("usage: run_mindir FILE.mindir FOLDER THREADS REPEATS\n", stderr);
    return 2;
  }
  try {
    run(arguments[1], arguments[2], std::atoi(arguments[3]), std::atoi(arguments[4]));
  } catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
