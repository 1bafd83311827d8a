#include "engine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "bimlp.h"
#include "file/files.h"
#include "file/packed_file.h"
#include "file/text.h"
#include "run/floating_point.h"

namespace {

// Last error of the thread. Its length is fixed, so that storing a message cannot fail, even without memory.
thread_local char last_error[2048];
constexpr int kMaxThreads = 256;

void set_last_error(const char *message) { std::snprintf(last_error, sizeof last_error, "%s", message); }

void expect_not_null(const void *p, const char *name) {
  if (!p) throw bimlp::Error(std::string(name) + ": expected a pointer, got null");
}

// Throws Error for wrong arguments of bimlp_run_pixels or bimlp_run_numbers.
void check_arguments(const bimlp_engine *engine, const void *images, int count, const float *logits) {
  expect_not_null(engine, "engine");
  if (count < 0) throw bimlp::Error("count: expected 0 or more images, got " + std::to_string(count));
  if (count == 0) return;
  expect_not_null(images, "images");
  expect_not_null(logits, "logits");
}

std::string quoted(const std::string &s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", c);
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Throws Error for the first of `count` images of `size` numbers with a number that is not finite.
void check_finite(const float *images, size_t count, size_t size) {
  for (size_t i = 0; i < count; ++i) {
    const float *image = images + i * size;
    constexpr uint32_t kOnes = 0x7f800000;  // exponent of infinities and NaNs
    uint32_t found = 0;
    for (size_t k = 0; k < size; ++k) {
      uint32_t bits;
      std::memcpy(&bits, image + k, sizeof bits);
      found |= (bits & kOnes) == kOnes;
    }
    if (!found) continue;
    const bool nan = std::any_of(image, image + size, [](float x) { return std::isnan(x); });
    throw bimlp::Error("image " + std::to_string(i) + ": expected finite numbers, got " +
                       (nan ? "NaN" : "an infinity"));
  }
}

std::string description_of(const bimlp_engine &engine) {
  const bimlp::Facts &f = engine.facts();
  std::string names;
  for (const auto &name : f.class_names) names += (names.empty() ? "" : ", ") + quoted(name);
  return "{\"variant\": " + quoted(f.variant) + ", \"instruction_set\": " + quoted(engine.model->instruction_set()) +
         ", \"threads\": " + std::to_string(engine.threads) + ", \"image_size\": " + std::to_string(f.image_size) +
         ", \"resize\": " + std::to_string(f.resize) + ", \"classes\": " + std::to_string(f.classes) +
         ", \"mean\": " + bimlp::listed(f.mean) + ", \"std\": " + bimlp::listed(f.std) + f.more +
         ", \"class_names\": [" + names + "]}";
}

}  // namespace

bimlp::Team::Team(const Model &model, int count, HostLoop host) : workers(count, host) {
  for (int t = 0; t < count; ++t) {
    runs.push_back(model.run(t ? 1 : count));
    singles.push_back(std::make_unique<Workers>(1));
  }
}

bimlp_engine::bimlp_engine(const uint8_t *data, size_t size, int count)
    : model(bimlp::open_model(data, size)), threads(count), team(std::make_unique<bimlp::Team>(*model, count, host)) {
  if (bimlp::test_and_clear_nonfinite()) {
    throw bimlp::Error(
        "packed file: expected numbers whose products with the number of inputs are finite, got larger ones");
  }
  const bimlp::Normalisation n(facts());
  for (int c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) normalised.push_back((static_cast<float>(v) - n.mean[c]) / n.std[c]);
  }
  text = description_of(*this);
}

bimlp_engine::~bimlp_engine() { wait(); }

void bimlp_engine::wait() {
  lock.renew_after_fork([this] { abandon_team(); });
  lock.wait();
}

bimlp::EngineLock::Guard bimlp_engine::enter() {
  lock.renew_after_fork([this] { abandon_team(); });
  return bimlp::EngineLock::Guard(lock);
}

void bimlp_engine::abandon_team() {
  tracer = {};
  host = {};
  if (bimlp::Team *abandoned = team.release()) abandoned->runs.clear();  // the rest is never freed
}

void bimlp_engine::share_by(bimlp::HostLoop loop) {
  host = loop;
  team.reset();
}

template <class Fill>
void bimlp_engine::run(int count, float *logits, Fill fill) {
  const bimlp::DefaultFloats mode;
  if (!team) team = std::make_unique<bimlp::Team>(*model, threads, host);
  const size_t classes = facts().classes;
  // nonfinite(): whether the image's workers have made a number that is not finite
  const auto one = [&](size_t i, bimlp::Run &run, bimlp::Workers &workers, auto nonfinite) {
    fill(i, run);
    const float *from = run.logits(workers, tracer);
    std::copy(from, from + classes, logits + i * classes);
    if (nonfinite()) logits[i * classes] = std::numeric_limits<float>::quiet_NaN();
  };
  const size_t images = count, shared = images / threads * threads;  // images that the workers share evenly
  if (threads > 1 && shared) {
    team->workers.each([&](int t) {
      for (size_t i = t; i < shared; i += threads)
        one(i, *team->runs[t], *team->singles[t], bimlp::test_and_clear_nonfinite);
    });
  }
  for (size_t i = threads > 1 ? shared : 0; i < images; ++i) {
    one(i, *team->runs[0], team->workers, [this] { return team->workers.test_and_clear_nonfinite(); });
  }
  // finite numbers of a file or an image can be so large that later ones are not finite
  for (size_t i = 0; i < images * classes; ++i) {
    if (std::isfinite(logits[i])) continue;
    team.reset();  // so that no such number reaches the next call
    throw bimlp::Error("image " + std::to_string(i / classes) +
                       ": the network's logits are not finite, or numbers that lead to them");
  }
}

// Result of a run on unchecked images, whose logits are NaN after an error.
template <class Run>
int run_or_nan(bimlp_engine *engine, const void *images, int count, float *logits, Run run) {
  return bimlp::guarded([&] {
    check_arguments(engine, images, count, logits);
    try {
      const auto guard = engine->enter();
      run();
    } catch (...) {
      std::fill(logits, logits + size_t(count) * engine->facts().classes, std::numeric_limits<float>::quiet_NaN());
      throw;
    }
  });
}

void bimlp_engine::run_numbers(const float *images, int count, float *logits) {
  const bimlp::ImageLayout layout = model->layout;
  const size_t size = facts().image_size, plane = size * size;
  check_finite(images, size_t(count), 3 * plane);
  run(count, logits, [&](size_t image, bimlp::Run &run) {
    float *to = run.image();
    const float *red = images + image * 3 * plane, *green = red + plane, *blue = green + plane;
    const size_t step = layout.pixel;
    for (size_t y = 0; y < size; ++y) {
      float *pixel = to + layout.begin + y * layout.row;
      for (size_t x = 0; x < size; ++x, pixel += step) {
        pixel[0] = *red++;
        pixel[1] = *green++;
        pixel[2] = *blue++;
      }
    }
  });
}

void bimlp_engine::run_pixels(const uint8_t *images, int count, float *logits) {
  const bimlp::ImageLayout layout = model->layout, pixel_layout = model->pixel_layout;
  const size_t size = facts().image_size;
  run(count, logits, [&](size_t image, bimlp::Run &run) {
    const uint8_t *from = images + image * size * size * 3;
    if (int8_t *pixels = run.pixels()) {
      pixels += pixel_layout.begin;
      for (size_t y = 0; y < size; ++y, pixels += pixel_layout.row) {
        for (size_t k = 0; k < 3 * size; ++k) pixels[k] = static_cast<int8_t>(*from++ - 128);
      }
      return;
    }
    float *to = run.image();
    for (size_t y = 0; y < size; ++y) {
      for (size_t x = 0; x < size; ++x) {
        float *pixel = to + layout.begin + y * layout.row + x * layout.pixel;
        for (size_t c = 0; c < 3; ++c) pixel[c] = normalised[c * 256 + *from++];
      }
    }
  });
}

int bimlp::guarded(void (*call)(void *), void *context) {
  try {
    call(context);
    return 0;
  } catch (const std::bad_alloc &) {
    set_last_error("not enough memory");
  } catch (const std::exception &error) {
    set_last_error(error.what());
  } catch (...) {
    set_last_error("an error without a name");
  }
  return 1;
}

extern "C" {

int bimlp_version(void) { return BIMLP_VERSION; }

int bimlp_open_bytes(const void *bytes, size_t size, int threads, bimlp_engine **engine) {
  return bimlp::guarded([&] {
    if (size) expect_not_null(bytes, "bytes");
    expect_not_null(engine, "engine");
    if (threads < 1 || threads > kMaxThreads) {
      throw bimlp::Error("threads: expected 1 to " + std::to_string(kMaxThreads) + ", got " + std::to_string(threads));
    }
    const auto *data = static_cast<const uint8_t *>(bytes);
    std::vector<uint8_t> aligned;  // the reader points into the file's bytes
    if (reinterpret_cast<uintptr_t>(data) % alignof(float) != 0) {
      aligned.assign(data, data + size);
      data = aligned.data();
    }
    const bimlp::DefaultFloats mode;
    *engine = new bimlp_engine(data, size, threads);
  });
}

int bimlp_open(const char *path, int threads, bimlp_engine **engine) {
  return bimlp::guarded([&] {
    expect_not_null(path, "path");
    const std::vector<uint8_t> bytes = bimlp::read_file(path, bimlp::kMaxFileBytes);
    if (bimlp_open_bytes(bytes.data(), bytes.size(), threads, engine))
      throw bimlp::Error(std::string(path) + ": " + last_error);
  });
}

void bimlp_wait(bimlp_engine *engine) {
  if (engine) engine->wait();
}

void bimlp_close(bimlp_engine *engine) { delete engine; }

const char *bimlp_describe(const bimlp_engine *engine) { return engine->text.c_str(); }

int bimlp_image_size(const bimlp_engine *engine) { return static_cast<int>(engine->facts().image_size); }

int bimlp_classes(const bimlp_engine *engine) { return static_cast<int>(engine->facts().classes); }

int bimlp_run_pixels(bimlp_engine *engine, const uint8_t *images, int count, float *logits) {
  return run_or_nan(engine, images, count, logits, [&] { engine->run_pixels(images, count, logits); });
}

int bimlp_set_parallel(bimlp_engine *engine, bimlp_parallel *parallel, void *pool) {
  return bimlp::guarded([&] {
    expect_not_null(engine, "engine");
    const auto guard = engine->enter();
    engine->share_by({parallel, pool});
  });
}

int bimlp_run_numbers(bimlp_engine *engine, const float *images, int count, float *logits) {
  return run_or_nan(engine, images, count, logits, [&] { engine->run_numbers(images, count, logits); });
}

const char *bimlp_last_error(void) { return last_error; }

}  // extern "C"
