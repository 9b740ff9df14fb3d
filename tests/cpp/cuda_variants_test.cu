// The two variants of the forward on a CUDA device: tensor cores at the sizes where their tiles,
// warps, stages and rings end, and the plain variant for everything.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "contracts.h"
#include "cpu_device.h"
#include "cuda_device.cuh"
#include "cuda_variant_contracts.h"
#include "special_contracts.h"

namespace qaconv::test {
namespace {

bool has_tensor_cores() {
    int devices = 0, major = 0;
    if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) {
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
    }
    if (major >= 8) return true;
    std::printf("SKIPPED: no CUDA device of compute capability 8.0 or later\n");
    ++counts().skipped;
    return false;
}

// Maps scaled by powers of two have correlations scaled by powers of two, bit for bit: the split of
// float32 is relative to the map.
void scaled_maps() {
    run_case("scaled float32 maps", [] {
        const Shape shape{2, 2, 37, 17, 18};
        const auto scaled = [](int power) {
            return [power](int64_t n, int64_t c, int64_t s) {
                return std::ldexp(static_cast<float>(Fractions{69}(n, c, s)), power);
            };
        };
        const auto maxima = [&](int p, int g) {
            return correlation_max<float>(
                CudaDevice(), probe_of(shape, DType::kFloat32, Layout::kContiguous, scaled(p)),
                gallery_of(shape, DType::kFloat32, Layout::kContiguous, scaled(g)));
        };
        std::vector<float> wanted = maxima(0, 0).over_gallery;
        for (float& value : wanted) value = std::ldexp(value, -23 + 40);
        check_same_bits(maxima(-23, 40).over_gallery, wanted, "2^-23 and 2^40");
    });
}

void plain_variant() {
    cuda::set_variant(cuda::Variant::kPlain);
    arithmetic() = Arithmetic();
    for (const Shape& shape : {Shape{1, 2, 37, 15, 16}, Shape{2, 1, 5, 17, 35}}) {
        for (DType dtype : kDTypes) {
            run_case("plain variant: " + name_of(shape) + ", " + name_of(dtype), [&] {
                with_sum_type(dtype, [&](auto zero) {
                    using T = decltype(zero);
                    check_forward<T>(CudaDevice(), shape, dtype, Layout::kSliced);
                    check_bits<T>(CudaDevice(), shape, dtype, Layout::kChannelsLast);
                });
            });
        }
    }
    run_special_contracts(std::vector<CudaDevice>(1));
    cuda::set_variant(cuda::Variant::kTensor);
}

#if defined(QACONV_EMULATED)
constexpr Shape kManyPairs{70, 60, 2, 5, 7};
#else
constexpr Shape kManyPairs{300, 500, 2, 5, 7};
#endif

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    if (!has_tensor_cores()) return finish();
    cuda::set_variant(cuda::Variant::kTensor);
    arithmetic() = kTensorCores;
    const std::vector<DType> dtypes{DType::kFloat32, DType::kFloat16, DType::kBFloat16};
    for (const Shape& shape : kTensorShapes) run_shape("tensor cores", shape, dtypes);
    run_runs(dtypes);
    run_many_pairs(dtypes, kManyPairs);
    run_fallback_maps_beside_others(dtypes);
    scaled_maps();
    precision_of_float32(cuda::Variant::kTensor);
    plain_variant();
    return finish();
}
