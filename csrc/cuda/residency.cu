#include "cuda/residency.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

namespace qaconv::cuda {
namespace {

int current_device() {
    int device = 0;
    cudaGetDevice(&device);
    return device;
}

DeviceFacts ask(int device) {
    DeviceFacts facts{};
    cudaDeviceGetAttribute(&facts.major, cudaDevAttrComputeCapabilityMajor, device);
    cudaDeviceGetAttribute(&facts.processors, cudaDevAttrMultiProcessorCount, device);
    cudaDeviceGetAttribute(&facts.shared_memory, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return facts;
}

// Of a key, what `make` makes of it, once.
template <typename Key, typename Make>
auto once(const Key& key, Make make) {
    using Value = decltype(make());
    static std::mutex mutex;
    static std::map<Key, Value> known;
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = known.find(key);
    return found != known.end() ? found->second : known.emplace(key, make()).first->second;
}

}  // namespace

DeviceFacts facts_of_device() {
    const int device = current_device();
    return once(device, [device] { return ask(device); });
}

int static_shared_bytes(const void* kernel) {
    return once(std::tuple(current_device(), kernel), [kernel] {
        cudaFuncAttributes attributes{};
        const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
        return error == cudaSuccess ? static_cast<int>(attributes.sharedSizeBytes) : 0;
    });
}

Residency residency_of(const void* kernel, int threads, int64_t shared_bytes) {
    const int device = current_device();
    return once(std::tuple(device, kernel, threads, shared_bytes), [&] {
        const DeviceFacts facts = facts_of_device();
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             facts.shared_memory - static_shared_bytes(kernel));
        int blocks = 0;
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, threads,
                                                      static_cast<size_t>(shared_bytes));
        return Residency{facts.processors, std::max(blocks, 1)};
    });
}

}  // namespace qaconv::cuda
