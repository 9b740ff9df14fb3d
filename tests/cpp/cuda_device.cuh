// A CUDA device as a Device of operators.h: device memory and a workspace of exactly the size that
// the launcher declares, so that an access past either end is a fault where memory is checked.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "cuda/kernels.h"

namespace qaconv::test {

inline void check_cuda(cudaError_t error, const std::string& call) {
    check(error == cudaSuccess, call + ": " + cudaGetErrorString(error));
}

// Left as cudaMalloc gives it: where uninitialized memory is checked, a kernel's read of what
// nobody wrote is found.
class DeviceMemory {
  public:
    explicit DeviceMemory(size_t bytes) {
        check_cuda(cudaMalloc(&data_, std::max<size_t>(bytes, 1)), "cudaMalloc");
    }
    ~DeviceMemory() { cudaFree(data_); }
    DeviceMemory(const DeviceMemory&) = delete;
    DeviceMemory& operator=(const DeviceMemory&) = delete;
    void* get() const { return data_; }

  private:
    void* data_ = nullptr;
};

class CudaDevice {
  public:
    template <typename T>
    class Array {
      public:
        explicit Array(int64_t count)
            : size_(static_cast<size_t>(count)), memory_(size_ * sizeof(T)) {}
        explicit Array(const std::vector<T>& values) : Array(static_cast<int64_t>(values.size())) {
            if (size_ == 0) return;
            check_cuda(cudaMemcpy(data(), values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice),
                       "cudaMemcpy to the device");
        }
        T* data() const { return static_cast<T*>(memory_.get()); }
        std::vector<T> download() const {
            std::vector<T> values(size_);
            if (size_ == 0) return values;
            check_cuda(cudaMemcpy(values.data(), data(), size_ * sizeof(T), cudaMemcpyDeviceToHost),
                       "cudaMemcpy from the device");
            return values;
        }

      private:
        size_t size_;
        DeviceMemory memory_;
    };

    explicit CudaDevice(cudaStream_t stream = nullptr) : stream_(stream) {}

    Status run(const CorrelationMaxParams& params) const {
        return launch(params, cuda::correlation_max_workspace(params), cuda::correlation_max);
    }
    Status run(const CorrelationMaxBackwardParams& params) const {
        return launch(params, cuda::correlation_max_backward_workspace(params),
                      cuda::correlation_max_backward);
    }
    Status run(const CorrelationMaxSelfParams& params) const {
        return launch(params, cuda::correlation_max_self_workspace(params),
                      cuda::correlation_max_self);
    }
    Status run(const CorrelationMaxSelfBackwardParams& params) const {
        return launch(params, cuda::correlation_max_self_backward_workspace(params),
                      cuda::correlation_max_self_backward);
    }
    Status run(const MatchScoresParams& params) const {
        return launch(params, cuda::match_scores_workspace(params), cuda::match_scores);
    }
    Status run(const PairwiseDistanceParams& params) const {
        return launch(params, cuda::pairwise_distance_workspace(params), cuda::pairwise_distance);
    }

    std::string name() const { return "cuda"; }

  private:
    template <typename Params>
    Status launch(const Params& params, int64_t workspace_bytes,
                  Status (*launcher)(const Params&, void*, cuda::Stream)) const {
        check(workspace_bytes >= 0, "workspace: got " + text(workspace_bytes) + " bytes");
        const DeviceMemory workspace(static_cast<size_t>(workspace_bytes));
        const Status status = launcher(params, workspace.get(), stream_);
        check(status == Status::kOk, std::string("last_error: ") + cuda::last_error());
        check_cuda(cudaDeviceSynchronize(), "kernel");
        return status;
    }

    cudaStream_t stream_;
};

}  // namespace qaconv::test
