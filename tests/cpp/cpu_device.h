// The CPU as a Device of operators.h: one instruction set, one way to deal work to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/types.h"
#include "cpu/kernels.h"
#include "cpu/simd_level.h"

namespace qaconv::test {

inline void serial(int64_t begin, int64_t end, int64_t, ParallelBody body, void* context) {
    if (begin < end) body(begin, end, context);
}

// Three threads take single steps of the range in a scrambled order.
inline void scrambled_threads(int64_t begin, int64_t end, int64_t, ParallelBody body,
                              void* context) {
    std::vector<int64_t> steps;
    for (int64_t k = begin; k < end; ++k) steps.push_back(k);
    std::shuffle(steps.begin(), steps.end(), std::mt19937(7));
    std::atomic<size_t> next{0};
    const auto work = [&] {
        for (size_t k; (k = next.fetch_add(1)) < steps.size();) {
            body(steps[k], steps[k] + 1, context);
        }
    };
    std::vector<std::thread> threads;
    for (int k = 0; k < 3; ++k) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
}

class CpuDevice {
  public:
    template <typename T>
    class Array {
      public:
        // 0xff bytes, which are NaN: a result that was not written does not look like one.
        explicit Array(int64_t count) : Array(std::vector<T>(static_cast<size_t>(count))) {
            if (size_ > 0) std::memset(data_.get(), 0xff, size_ * sizeof(T));
        }
        explicit Array(const std::vector<T>& values)
            : size_(values.size()), data_(new T[values.size()]) {
            std::copy(values.begin(), values.end(), data_.get());
        }
        T* data() const { return data_.get(); }
        std::vector<T> download() const { return {data_.get(), data_.get() + size_}; }

      private:
        size_t size_;
        std::unique_ptr<T[]> data_;
    };

    CpuDevice(int level, ParallelFor parallel_for) : level_(level), parallel_for_(parallel_for) {}

    Status run(const CorrelationMaxParams& params) const {
        return set_level() ? cpu::correlation_max(params, parallel_for_) : kNoLevel;
    }
    Status run(const CorrelationMaxBackwardParams& params) const {
        return set_level() ? cpu::correlation_max_backward(params, parallel_for_) : kNoLevel;
    }
    Status run(const CorrelationMaxSelfParams& params) const {
        return set_level() ? cpu::correlation_max_self(params, parallel_for_) : kNoLevel;
    }
    Status run(const CorrelationMaxSelfBackwardParams& params) const {
        return set_level() ? cpu::correlation_max_self_backward(params, parallel_for_) : kNoLevel;
    }
    Status run(const MatchScoresParams& params) const {
        return set_level() ? cpu::match_scores(params, parallel_for_) : kNoLevel;
    }
    Status run(const MatchScoresNarrowParams& params) const {
        return set_level() ? cpu::match_scores_narrow(params, parallel_for_) : kNoLevel;
    }
    Status run(const PairwiseDistanceParams& params) const {
        return set_level() ? cpu::pairwise_distance(params, parallel_for_) : kNoLevel;
    }

    CpuDevice with_threads() const { return CpuDevice(level_, &scrambled_threads); }

    // For what asks for the level in use itself.
    void choose() const { set_level(); }

    std::string name() const {
        return std::string("cpu, ") + cpu::simd_levels()[static_cast<size_t>(level_)].name +
               (parallel_for_ == &serial ? "" : ", threads");
    }

  private:
    static constexpr Status kNoLevel = Status::kLaunchFailed;
    bool set_level() const { return cpu::set_simd_level(level_); }

    int level_;  // a position in cpu::simd_levels()
    ParallelFor parallel_for_;
};

// Every instruction set this machine has. (Threads change nothing: cpu_test.cpp has a test.)
inline std::vector<CpuDevice> serial_cpu_devices() {
    std::vector<CpuDevice> devices;
    for (size_t level = 0; level < cpu::simd_levels().size(); ++level) {
        devices.emplace_back(static_cast<int>(level), &serial);
    }
    return devices;
}

// The plainest of them: what the other devices' results may be compared with.
inline CpuDevice scalar_cpu() { return CpuDevice(0, &serial); }

}  // namespace qaconv::test
