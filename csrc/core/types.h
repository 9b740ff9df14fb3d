// What the kernels are told about tensors: plain types, no torch, no CUDA runtime.
#pragma once

#include <cstdint>

namespace qaconv {

enum class DType : int32_t { kFloat32, kFloat64, kFloat16, kBFloat16 };

// float16 and bfloat16 are storage only: sums run in float, or in double for double inputs.
inline bool computes_in_double(DType dtype) { return dtype == DType::kFloat64; }

// A set of feature maps [count, channels, locations] with any strides, in elements.
struct Maps {
    const void* data = nullptr;
    DType dtype = DType::kFloat32;
    int64_t count = 0;
    int64_t channels = 0;
    int64_t locations = 0;
    int64_t map_stride = 0;
    int64_t channel_stride = 0;
    int64_t location_stride = 0;
};

// Positions are stored in one byte where they fit, in two above.
inline bool index_is_byte(int64_t locations) { return locations <= 256; }
constexpr int64_t kMaxLocations = 32767;

enum class Status : int32_t { kOk, kOutOfMemory, kLaunchFailed };

// Calls body(begin, end, context) over parts of [begin, end), in any order, on any threads.
// The caller brings it (torch's pool, a plain loop): the core knows no thread library.
using ParallelBody = void (*)(int64_t begin, int64_t end, void* context);
using ParallelFor = void (*)(int64_t begin, int64_t end, int64_t grain, ParallelBody body,
                             void* context);

}  // namespace qaconv
