// Threads of our own, for a process without torch. Started for each call: a call does milliseconds
// of work and starting takes microseconds, while a pool kept would have to survive fork.
#pragma once

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "core/types.h"

namespace qaconv {

inline std::atomic<int>& thread_count() {
    static std::atomic<int> count{
        std::max(1, static_cast<int>(std::thread::hardware_concurrency()))};
    return count;
}

inline void own_threads(int64_t begin, int64_t end, int64_t grain, ParallelBody body,
                        void* context) {
    const int64_t size = end - begin;
    if (size <= 0) return;
    const int64_t parts =
        std::min<int64_t>(thread_count(), (size + grain - 1) / std::max<int64_t>(grain, 1));
    const auto part = [=](int64_t k) {
        body(begin + size * k / parts, begin + size * (k + 1) / parts, context);
    };
    std::vector<std::thread> others;
    int64_t next = 1;
    try {
        others.reserve(static_cast<size_t>(parts));
        for (; next < parts; ++next) others.emplace_back(part, next);
    } catch (const std::system_error&) {
        // No more threads to be had: what is left is done here.
    }
    part(0);
    for (; next < parts; ++next) part(next);
    for (std::thread& other : others) other.join();
}

}  // namespace qaconv
