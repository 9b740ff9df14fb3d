// The Hopper text, which only a device of compute capability 9.0 has, where it is asked for.
#include <cuda_runtime.h>

#include <cstdio>
#include <vector>

#include "cuda/tensor_pairs.h"
#include "cuda_device.cuh"
#include "cuda_text_laws.h"
#include "laws.h"
#include "special_laws.h"

namespace qaconv::test {
namespace {

bool has_hopper() {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0 && cuda::has_hopper_text()) {
        return true;
    }
    std::printf("SKIPPED: no CUDA device of compute capability 9.0, or not compiled for 9.0a\n");
    ++counts().skipped;
    return false;
}

// Rows of a warpgroup, and columns of a stage: 64; rows of a thread block: 192.
constexpr Shape kHopperShapes[] = {
    {2, 1, 64, 64, 65},     // a whole warpgroup; one column beyond a stage
    {1, 2, 20, 63, 128},    // two stages; the last row repeated
    {5, 7, 65, 129, 64},    // three warpgroups, the last of one row; more stages than the ring
    {3, 2, 16, 257, 1},     // two blocks of three warpgroups, of which one is beyond the map
    {2, 2, 128, 320, 200},  // the same with as many stages as the ring
};

#if defined(QACONV_EMULATED)
constexpr Shape kManyPairs{33, 31, 2, 5, 7};
#else
constexpr Shape kManyPairs{300, 500, 2, 5, 7};
#endif

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    if (!has_hopper()) return finish();
    cuda::set_text(cuda::Text::kAuto);
    arithmetic() = kTensorCores;
    const std::vector<DType> half{DType::kFloat16}, both{DType::kFloat16, DType::kBFloat16};
    for (const Shape& shape : kTensorShapes) run_shape("hopper", shape, both);
    for (const Shape& shape : kHopperShapes) run_shape("hopper", shape, half);
    run_runs(half);  // bfloat16 is another instruction, and nothing else
    run_many_pairs(half, kManyPairs);
    run_wild_maps_beside_ordinary_ones(both);
    run_special_laws(std::vector<CudaDevice>(1));
    // Left to the other texts: numbers it is not for, and maxima that its memory does not hold.
    run_shape("beside hopper", {2, 1, 20, 17, 35}, {DType::kFloat32});
    run_shape("beside hopper", {1, 1, 8, 193, 2500}, half);
    return finish();
}
