// The gradient of one set of maps, gathered by its owners: a thread block owns (one map, a slab of
// its places, a slab of channels), and its sums stay in registers. docs/kernels.md draws the walk.
//
// What adds to the sums is one stream of items, partner after partner: the maxima of the own places
// of the slab, then those of all partner places. An item is "add gradient * row to a place". The
// stream is read in windows of any cut; a window is sorted by place, stably, so that each place
// meets its items in the order of the stream. So the bits depend neither on windows nor on slabs.
#pragma once

#include <cstdint>

#include "cuda/device/row_vector.cuh"
#include "cuda/device/window_sort.cuh"

namespace qaconv::cuda {

// The gradient of one direction's maxima, [pairs][places], and where they were found. Those of own
// map n and partner m begin at n * own_stride + m * partner_stride.
template <typename T>
struct Winners {
    const T* gradient;
    const void* index;
    int64_t places;
    bool byte;
    int64_t own_stride, partner_stride;

    __device__ int64_t at(int64_t own, int64_t partner) const {
        return own * own_stride + partner * partner_stride;
    }
    __device__ int winner(int64_t position) const {
        return byte ? static_cast<const uint8_t*>(index)[position]
                    : static_cast<const int16_t*>(index)[position];
    }
};

template <typename T>
struct Gather {
    Winners<T> at_own;      // maxima at own places, won by partner places
    Winners<T> at_partner;  // the other way round
    int64_t own_maps, partners, channels;
    const char* rows;  // the partners, [partners][partner places][row_bytes]
    int64_t row_bytes;
    T* out;               // [own maps][channels][own places]
    int slab;             // own places of a block
    int64_t slabs;        // of a map's places
    uint32_t reciprocal;  // of `slab` + partner places, the items of a partner: see below
};

// floor(x / items) is the high half of x * reciprocal: exact where x * (reciprocal * items - 2^32)
// < 2^32, which holds, for both factors are at most kMaxPlaces + kKeys + kWindow < 2^16.
inline uint32_t reciprocal_of(int64_t items) {
    return static_cast<uint32_t>(0xffffffffu / items + 1);  // items >= 2: a place on either side
}

constexpr int kSlabChannels = 128;
constexpr int kRegisters = 48;  // of a thread's sums: a slab is 192 places (96 in double)
constexpr int kAhead = 4;       // rows that a thread has under way

// How a block's threads share its sums. The lanes of a group hold one place's channels, 16 bytes
// of a row each; a group holds every kGroups-th place.
template <typename Element>
struct Share {
    static constexpr int kWidth = kVectorWidth<Element>;
    static constexpr int kLanes = kSlabChannels / kWidth;
    static constexpr int kGroups = kThreads / kLanes;
    static constexpr int kPlaces =
        kRegisters * static_cast<int>(sizeof(uint32_t)) / (kWidth * sizeof(Sum<Element>));
    static constexpr int kSlabPlaces = kGroups * kPlaces;
    // On a multiprocessor at once: as many as registers allow without a spill.
    static constexpr int kBlocks = 1;
    static_assert(kSlabPlaces <= kKeys);
};

template <typename T>
struct alignas(2 * sizeof(T)) Item {  // read at once
    T gradient;
    uint32_t row;  // counted from the first row of the window's first partner
};

// What a block owns.
struct Owned {
    int64_t map, place, channel;  // the first of each
    int places;
};

template <typename Element>
struct Shared {
    using T = Sum<Element>;
    WindowSort sort;
    union {
        Item<T> items[kWindow];
        T turned[kSlabChannels][Share<Element>::kGroups + 1];
    };
};

// Where a window begins in the stream.
struct WindowStart {
    int64_t partner;
    int item;
};

// The items of a thread; what is not loaded yet is not touched. Of an item without a key, kDropped.
template <typename T>
__device__ void look(const Gather<T>& job, const Owned& own, WindowStart start, int (&keys)[kSteps],
                     Item<T> (&items)[kSteps]) {
    const int partner_places = static_cast<int>(job.at_partner.places);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
        const int x = start.item + window_position(step);
        const int skipped = static_cast<int>(__umulhi(x, job.reciprocal));
        const int64_t partner = start.partner + skipped;
        int place = x - skipped * (job.slab + partner_places);
        keys[step] = kDropped;
        items[step] = {0, static_cast<uint32_t>(skipped * partner_places)};
        if (partner >= job.partners) continue;
        if (place < job.slab) {
            if (place >= own.places) continue;
            const int64_t at = job.at_own.at(own.map, partner) + own.place + place;
            items[step].gradient = job.at_own.gradient[at];
            items[step].row += job.at_own.winner(at);
            keys[step] = place;
        } else {
            place -= job.slab;
            const int64_t at = job.at_partner.at(own.map, partner) + place;
            items[step].gradient = job.at_partner.gradient[at];
            items[step].row += place;
            keys[step] = job.at_partner.winner(at) - static_cast<int>(own.place);
        }
    }
}

// Drops what adds nothing or is another block's; whether any item is left. Here loads are waited
// for.
template <typename T>
__device__ bool drop(const Owned& own, const Item<T> (&items)[kSteps], int (&keys)[kSteps]) {
    bool kept = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
        const bool of_block = keys[step] >= 0 && keys[step] < own.places;
        if (items[step].gradient == 0 || !of_block) keys[step] = kDropped;  // NaN is not 0
        kept |= keys[step] != kDropped;
    }
    return kept;
}

// rows + row * row_bytes. Written in C++, the compiler takes `rows` apart and adds it up again for
// every row, at half as many instructions more.
__device__ inline const uint4* row_at(const char* rows, uint32_t row, uint32_t row_bytes) {
    uint64_t address;
    asm("mad.wide.u32 %0, %1, %2, %3;" : "=l"(address) : "r"(row), "r"(row_bytes), "l"(rows));
    return reinterpret_cast<const uint4*>(address);
}

// Adds a window's sorted items to the sums; `rows` is this lane's part of row 0 of the window.
template <typename Element>
__device__ void add_window(const Shared<Element>& shared, const char* rows, uint32_t row_bytes,
                           int slab,
                           Sum<Element> (&sums)[Share<Element>::kPlaces][Share<Element>::kWidth]) {
    using T = Sum<Element>;
    using Of = Share<Element>;
    const int group = threadIdx.x / Of::kLanes;
#pragma unroll
    for (int k = 0; k < Of::kPlaces; ++k) {
        if (k * Of::kGroups >= slab) break;
        const uint32_t end = shared.sort.first[k * Of::kGroups + group + 1];
#pragma unroll 1
        for (uint32_t i = shared.sort.first[k * Of::kGroups + group]; i < end; i += kAhead) {
            T gradient[kAhead];
            uint4 bits[kAhead];
#pragma unroll
            for (int j = 0; j < kAhead; ++j) {
                if (i + j >= end) continue;
                const Item<T> item = shared.items[i + j];
                gradient[j] = item.gradient;
                bits[j] = __ldg(row_at(rows, item.row, row_bytes));
            }
#pragma unroll
            for (int j = 0; j < kAhead; ++j) {
                if (i + j >= end) continue;
                T values[Of::kWidth];
                widen(bits[j], values, Element());
#pragma unroll
                for (int v = 0; v < Of::kWidth; ++v) {
                    sums[k][v] = fma(gradient[j], values[v], sums[k][v]);
                }
            }
        }
    }
}

// Stores the sums as [channels][places], turned in shared memory so that places are neighbours.
template <typename Element>
__device__ void store(const Gather<Sum<Element>>& job, const Owned& own, Shared<Element>& shared,
                      const Sum<Element> (&sums)[Share<Element>::kPlaces][Share<Element>::kWidth]) {
    using Of = Share<Element>;
    const int group = threadIdx.x / Of::kLanes, lane = threadIdx.x % Of::kLanes;
    const int64_t places = job.at_own.places;
#pragma unroll
    for (int k = 0; k < Of::kPlaces; ++k) {
        if (k * Of::kGroups >= own.places) break;
        __syncthreads();  // the items, or the places before these, have been read
#pragma unroll
        for (int v = 0; v < Of::kWidth; ++v) {
            shared.turned[lane * Of::kWidth + v][group] = sums[k][v];
        }
        __syncthreads();
        const int s = k * Of::kGroups + static_cast<int>(threadIdx.x) % Of::kGroups;
        if (s >= own.places) continue;
        for (int c = threadIdx.x / Of::kGroups; c < kSlabChannels; c += Of::kLanes) {
            if (own.channel + c >= job.channels) break;
            job.out[(own.map * job.channels + own.channel + c) * places + own.place + s] =
                shared.turned[c][threadIdx.x % Of::kGroups];
        }
    }
}

template <typename Element>
__global__ void __launch_bounds__(kThreads, Share<Element>::kBlocks)
    gather_kernel(Gather<Sum<Element>> job) {
    using T = Sum<Element>;
    using Of = Share<Element>;
    __shared__ Shared<Element> shared;
    const int64_t channel_slabs = (job.channels + kSlabChannels - 1) / kSlabChannels;
    const int64_t partner_places = job.at_partner.places;
    const int lane = threadIdx.x % Of::kLanes;
    shared.sort.start();
    for (int64_t block = blockIdx.x; block < job.own_maps * job.slabs * channel_slabs;
         block += gridDim.x) {
        Owned own;
        own.map = block / channel_slabs / job.slabs;
        own.place = block / channel_slabs % job.slabs * job.slab;
        own.channel = block % channel_slabs * kSlabChannels;
        own.places = static_cast<int>(min(job.at_own.places - own.place, int64_t(job.slab)));
        // A lane beyond the row's end reads its beginning and stores nothing.
        int64_t lane_bytes = (own.channel + lane * Of::kWidth) * int64_t(sizeof(Element));
        if (lane_bytes >= job.row_bytes) lane_bytes = 0;
        T sums[Of::kPlaces][Of::kWidth] = {};
        WindowStart start{0, 0};
        int keys[kSteps];
        Item<T> items[kSteps];
        look(job, own, start, keys, items);
        while (start.partner < job.partners) {
            const bool kept = drop(own, items, keys);
            shared.sort.clear();
            const bool any = __syncthreads_or(kept);
            if (any) {
                uint32_t sorted[kSteps];
                shared.sort.rank(keys, sorted);
#pragma unroll
                for (int step = 0; step < kSteps; ++step) {
                    if (keys[step] != kDropped) shared.items[sorted[step]] = items[step];
                }
                __syncthreads();
            }
            const char* rows =
                job.rows + start.partner * partner_places * job.row_bytes + lane_bytes;
            start.item += kWindow;
            const int skipped = static_cast<int>(__umulhi(start.item, job.reciprocal));
            start.partner += skipped;
            start.item -= skipped * (job.slab + static_cast<int>(partner_places));
            // The next window's numbers come while this one's rows are added.
            look(job, own, start, keys, items);
            if (any) {
                add_window<Element>(shared, rows, static_cast<uint32_t>(job.row_bytes), own.places,
                                    sums);
            }
        }
        store<Element>(job, own, shared, sums);
        __syncthreads();  // `turned` has been read before the next items come
    }
}

}  // namespace qaconv::cuda
