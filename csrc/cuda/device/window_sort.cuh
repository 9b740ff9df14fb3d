// A stable counting sort, by a thread block, of a window of items by small keys. The order comes
// from counts, masks of lanes and scans, never from who arrives first: the same list every time.
#pragma once

#include <cstdint>

namespace qaconv::cuda {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
constexpr int kKeys = 256;  // the first threads scan a key each
constexpr int kSteps = 2;   // items of a thread
constexpr int kWindow = kThreads * kSteps;
constexpr int kDropped = -1;  // the key of an item that is left out

// Item `step` of a thread is this one of the window: a warp's items are neighbors.
__device__ inline int window_position(int step) {
    return (threadIdx.x / 32 * kSteps + step) * 32 + threadIdx.x % 32;
}

// Shared memory of the sort. All functions are for the whole block.
struct WindowSort {
    uint32_t alike[kWarps][kKeys];  // the lanes of a warp that hold the key; zero between uses
    alignas(ushort2) unsigned short counts[kWarps / 2][kKeys][2];  // of a key among a warp's items
    uint32_t first[kKeys + 1];  // where a key's items begin, once sorted
    uint32_t warp_sums[kWarps];

    __device__ unsigned short& count(int key) {
        const int warp = threadIdx.x / 32;
        return counts[warp / 2][key][warp % 2];
    }
    // Of warps 2 * pair and 2 * pair + 1, at once.
    __device__ ushort2& both_counts(int pair, int key) {
        return reinterpret_cast<ushort2&>(counts[pair][key]);
    }

    // Once, before all else. A barrier must follow.
    __device__ void start() {
        if (threadIdx.x >= kKeys) return;
#pragma unroll
        for (int warp = 0; warp < kWarps; ++warp) alike[warp][threadIdx.x] = 0;
    }

    // Before each window. A barrier must follow.
    __device__ void clear() {
        if (threadIdx.x >= kKeys) return;
#pragma unroll
        for (int pair = 0; pair < kWarps / 2; ++pair)
            both_counts(pair, threadIdx.x) = make_ushort2(0, 0);
    }

    // The sorted locations of a thread's items, in the order of (key, position in the window);
    // those of dropped items mean nothing. A barrier must follow before `first` is read by others.
    __device__ void rank(const int (&keys)[kSteps], uint32_t (&sorted)[kSteps]) {
        const uint32_t lane = 1u << threadIdx.x % 32;
        uint32_t* lanes_of = alike[threadIdx.x / 32];
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            const int key = keys[step];
            uint32_t mask = 0;
            // The order in which lanes set their bits leaves no trace. Comparing keys by ballots
            // instead costs a dozen instructions for each bit of a key.
            if (key != kDropped) atomicOr(&lanes_of[key], lane);
            __syncwarp();
            if (key != kDropped) {
                mask = lanes_of[key];
                sorted[step] = count(key) + __popc(mask & (lane - 1));
            }
            __syncwarp();
            if ((mask & (0u - mask)) == lane) {  // the first of those alike
                count(key) += __popc(mask);
                lanes_of[key] = 0;
            }
            __syncwarp();
        }
        __syncthreads();
        scan();
        __syncthreads();
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
            if (keys[step] == kDropped) continue;
            sorted[step] += first[keys[step]] + count(keys[step]);
        }
    }

  private:
    // Turns the counts into those of all earlier warps, and sets `first`.
    __device__ void scan() {
        const int key = threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        const bool scans = key < kKeys;
        uint32_t total = 0;
#pragma unroll
        for (int pair = 0; pair < kWarps / 2 && scans; ++pair) {
            const ushort2 both = both_counts(pair, key);
            both_counts(pair, key) = make_ushort2(static_cast<unsigned short>(total),
                                                  static_cast<unsigned short>(total + both.x));
            total += both.x + both.y;
        }
        uint32_t through = total;
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const uint32_t lower = __shfl_up_sync(0xffffffffu, through, distance);
            if (lane >= distance) through += lower;
        }
        if (lane == 31) warp_sums[warp] = through;
        __syncthreads();
#pragma unroll
        for (int other = 0; other < kKeys / 32; ++other) {
            if (other < warp) through += warp_sums[other];
        }
        if (!scans) return;
        first[key] = through - total;
        if (key == kKeys - 1) first[kKeys] = through;
    }
};

}  // namespace qaconv::cuda
