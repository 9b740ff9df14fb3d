// The operators on a CUDA device: the contracts of every device, and the scalar CPU variant beside
// it.
#include <cuda_runtime.h>

#include <cstdio>
#include <string>
#include <vector>

#include "backward_contracts.h"
#include "contracts.h"
#include "cpu_device.h"
#include "cuda/status.h"
#include "cuda_device.cuh"
#include "special_contracts.h"

namespace qaconv::test {
namespace {

bool has_device() {
    int devices = 0;
    const cudaError_t error = cudaGetDeviceCount(&devices);
    if (error == cudaSuccess && devices > 0) return true;
    std::printf("SKIPPED: no usable CUDA device (%s)\n", cudaGetErrorString(error));
    ++counts().skipped;
    return false;
}

// On whole numbers all sums are exact, so the two must agree to the last bit, winners included.
template <typename T>
void check_against_cpu(const Shape& shape, DType dtype, Layout layout) {
    const CudaDevice cuda;
    const CpuDevice cpu = scalar_cpu();
    const TestMaps probe = probe_of(shape, dtype, layout, WholeNumbers{51});
    const TestMaps gallery = gallery_of(shape, dtype, layout, WholeNumbers{52});
    const Maxima<T> maxima = correlation_max<T>(cpu, probe, gallery);
    check_maxima_bits(correlation_max<T>(cuda, probe, gallery), maxima, "cuda and cpu");
    const Head<T> head{whole_numbers<T>(shape.probe_locations, 53),
                       whole_numbers<T>(shape.gallery_locations, 54), 2};
    check_exact(match_scores(cuda, probe, gallery, head), match_scores(cpu, probe, gallery, head),
                "cuda and cpu, scores");
    check_exact(pairwise_distance(cuda, probe, head.probe_weight, head.bias),
                pairwise_distance(cpu, probe, head.probe_weight, head.bias),
                "cuda and cpu, distances");
    const Gradients<T> actual = correlation_max_backward(cuda, probe, gallery, maxima);
    const Gradients<T> wanted = correlation_max_backward(cpu, probe, gallery, maxima);
    check_exact(actual.probe, wanted.probe, "cuda and cpu, grad_probe");
    check_exact(actual.gallery, wanted.gallery, "cuda and cpu, grad_gallery");
}

template <typename T>
void check_case(const Shape& shape, DType dtype, Layout layout) {
    const CudaDevice device;
    check_forward<T>(device, shape, dtype, layout);
    check_bits<T>(device, shape, dtype, layout);
    check_backward<T>(device, shape, dtype, layout);
    check_against_cpu<T>(shape, dtype, layout);
}

// Far more maps than elsewhere, and more channels than one thread block of the backward takes. On a
// device more pairs than blocks can be launched, so that blocks take several.
void large_sets() {
#if defined(QACONV_EMULATED)
    constexpr int64_t kMaps = 17;
#else
    constexpr int64_t kMaps = 1025;
#endif
    run_case("many pairs", [] {
        check_against_cpu<float>({kMaps, kMaps, 1, 1, 1}, DType::kFloat32, Layout::kContiguous);
        check_forward<float>(CudaDevice(), {65, 5, 2, 2, 3}, DType::kFloat16, Layout::kSliced);
    });
    run_case("many channels", [] {
        const Shape shape{2, 1, 300, 5, 6};
        check_forward<float>(CudaDevice(), shape, DType::kBFloat16, Layout::kChannelsLast);
        check_backward<float>(CudaDevice(), shape, DType::kBFloat16, Layout::kChannelsLast);
        check_backward<double>(CudaDevice(), shape, DType::kFloat64, Layout::kChannelsLast);
    });
    run_case("expanded maps", [] {
        check_forward<float>(CudaDevice(), {3, 2, 3, 6, 7}, DType::kFloat32, Layout::kExpanded);
        check_backward<float>(CudaDevice(), {3, 2, 3, 6, 7}, DType::kFloat32, Layout::kExpanded);
    });
}

void order_of_sums() {
    for (DType dtype : kDTypes) {
        run_case(std::string("order of sums, ") + name_of(dtype), [&] {
            with_sum_type(dtype, [&](auto zero) {
                for (const Shape& shape : {Shape{2, 5, 37, 45, 70}, Shape{1, 9, 3, 200, 192}}) {
                    check_order_of_sums<decltype(zero)>(CudaDevice(), shape, dtype,
                                                        Layout::kContiguous);
                }
            });
        });
    }
}

void stream_of_its_own() {
    run_case("a stream of its own", [] {
        cudaStream_t stream = nullptr;
        check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
        const Shape shape{2, 2, 3, 6, 7};
        check_bits<float>(CudaDevice(stream), shape, DType::kFloat32, Layout::kContiguous);
        check_backward<float>(CudaDevice(stream), shape, DType::kFloat32, Layout::kContiguous);
        check_cuda(cudaStreamDestroy(stream), "cudaStreamDestroy");
    });
}

__global__ void nothing_kernel() {}

// A launch that fails says so, with CUDA's words; what another call left behind is not ours to tell
// or to clear away. (A call for a device that is not there leaves an error, and nothing worse.)
void errors_are_reported() {
    run_case("a launch tells of its own error", [] {
        const Status status = cuda::launch(nothing_kernel, 1, 1 << 20, 0, nullptr);
        check(status == Status::kLaunchFailed, "too many threads: wanted kLaunchFailed");
        const std::string words = cuda::last_error();
        check(words != cudaGetErrorString(cudaSuccess), "last_error: got " + words);
        cudaGetLastError();
        check_status(cuda::launch(nothing_kernel, 1, 1, 0, nullptr));
    });
    run_case("a launch tells of no other error", [] {
        const CudaDevice::Array<float> numbers(std::vector<float>{2, 1, 0});
        PairwiseDistanceParams params;
        params.features = {numbers.data(), DType::kFloat32, 1, 1, 1, 1, 1, 1};
        const DeviceMemory workspace(
            static_cast<size_t>(cuda::pairwise_distance_workspace(params)));
        params.weight = numbers.data() + 1;
        params.bias = numbers.data() + 2;
        const CudaDevice::Array<float> distance(1);
        params.distances = distance.data();
        const cudaError_t error = cudaSetDevice(1 << 20);
        check(error != cudaSuccess, "cudaSetDevice of a device that is not there");
        check_status(cuda::pairwise_distance(params, workspace.get(), nullptr));
        check(cudaGetLastError() == error, "the error is still there");
        check_exact(distance.download(), std::vector<float>{-8}, "distance");
    });
}

}  // namespace
}  // namespace qaconv::test

int main() {
    using namespace qaconv;
    using namespace qaconv::test;
    if (!has_device()) return finish();
    arithmetic() = kTensorCores;
    for_each_case("contract", cuda_shapes(), [](const Shape& shape, DType dtype, Layout layout) {
        with_sum_type(dtype, [&](auto zero) { check_case<decltype(zero)>(shape, dtype, layout); });
    });
    large_sets();
    order_of_sums();
    stream_of_its_own();
    errors_are_reported();
    run_special_contracts(std::vector<CudaDevice>(1));
    run_backward_contracts(std::vector<CudaDevice>(1));
    return finish();
}
