// The Hopper variants, which only a device of compute capability 9.0 has.
#include <cuda_runtime.h>

#include <cstdio>
#include <string>
#include <vector>

#include "backward_contracts.h"
#include "contracts.h"
#include "cuda/tensor_pairs.h"
#include "cuda_device.cuh"
#include "cuda_variant_contracts.h"
#include "special_contracts.h"

namespace qaconv::test {
namespace {

bool has_hopper() {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0 && cuda::has_hopper_variant()) {
        return true;
    }
    std::printf("SKIPPED: no CUDA device of compute capability 9.0, or not compiled for 9.0a\n");
    ++counts().skipped;
    return false;
}

// Which variant the case before took: a fallback would prove nothing of what it fell back from.
void check_variant(const char* wanted) {
    run_case(std::string("the variant was ") + wanted, [&] {
        check(std::string(cuda::last_variant()) == wanted,
              std::string("got ") + cuda::last_variant());
    });
}

// Rows of a block, and columns of a stage: 64; rows of a sweep: 192. Two probe maps a thread block.
constexpr Shape kHopperShapes[] = {
    {2, 1, 64, 64, 65},     // a whole block; one column beyond a stage
    {1, 2, 20, 63, 128},    // one probe map alone; two stages; the last row repeated
    {5, 7, 65, 129, 64},    // three blocks, the last of one row; more stages than the ring
    {3, 2, 16, 257, 16},    // two sweeps of three blocks, of which one is beyond the map
    {2, 2, 128, 320, 200},  // the same with as many stages as the ring
};
// Channels of a stage: 64; one probe map a thread block.
constexpr Shape kWideShapes[] = {
    {2, 3, 192, 192, 192},  // three chunks of channels
    {3, 2, 130, 64, 65},    // one warpgroup; two channels in the last chunk
    {1, 2, 256, 100, 130},  // two warpgroups
    {2, 1, 512, 192, 70},   // rows for two warpgroups at a time alone; a third of four is beyond
    {1, 2, 600, 257, 64},   // more than one sweep
};

// The backward stages its partners where there are more own maps than multiprocessors.
void backward_of_many_maps() {
    int processors = 0;
    check_cuda(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0),
               "cudaDeviceGetAttribute");
    for (const Shape& shape :
         {Shape{processors + 1, 40, 20, 17, 33}, Shape{processors, 5, 128, 192, 192},
          Shape{processors, 3, 9, 300, 100}}) {
        for (DType dtype : {DType::kFloat16, DType::kBFloat16}) {
            run_case("backward of many maps, " + name_of(shape) + ", " + name_of(dtype), [&] {
                check_order_of_sums<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
            });
        }
    }
}

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
    cuda::set_variant(cuda::Variant::kAuto);
    arithmetic() = kTensorCores;
    const DType f32 = DType::kFloat32, f16 = DType::kFloat16, bf16 = DType::kBFloat16;
    for (const Shape& shape : kTensorShapes) run_shape("hopper", shape, {f32, f16, bf16});
    for (const Shape& shape : kHopperShapes) run_shape("hopper", shape, {f32, f16});
    check_variant("hopper");
    for (const Shape& shape : kWideShapes) run_shape("hopper wide", shape, {f16});
    run_shape("hopper wide", kWideShapes[0], {bf16, f32});
    check_variant("hopper wide");
    run_runs({f32, f16});  // bfloat16 is another instruction, and nothing else
    run_many_pairs({f32, f16}, kManyPairs);
    run_fallback_maps_beside_others({f32, f16, bf16});
    run_negative_pairs({f32, f16});
    precision_of_float32(cuda::Variant::kAuto);
    run_special_contracts(std::vector<CudaDevice>(1));
    backward_of_many_maps();
    // Left to the other variants: maps of few locations, and maxima that its memory does not hold.
    run_shape("beside hopper", {2, 1, 20, 15, 35}, {f32, f16});
    check_variant("resident");
    run_shape("beside hopper", {1, 1, 8, 193, 2500}, {f16});
    check_variant("resident");
    return finish();
}
