// The tensor-core variants: every pair of two sets of ordinary maps, on sm_80 and later.
//
//   resident   float16 and bfloat16 maps of up to 128 channels: a warp keeps its probe locations in
//              registers while gallery maps stream past
//   streamed   any number of channels, and float32 maps as two float16 numbers: both maps stream
//   hopper     what is resident, on sm_90a; its operands are packed in tiles. Scores of pairs that
//              have a negative maximum it leaves to the plain variant
//   hopper wide  the same for what is streamed
#pragma once

#include "cuda/device/epilogues.cuh"
#include "cuda/operands.h"

namespace qaconv::cuda {

struct PairSets {
    Operand probe, gallery;
    bool triangle;  // the two are the same set, and only pairs with p <= g are wanted
    int32_t run;    // gallery maps of a task; 0: as many as keep the device busy
    bool bfloat16;  // what the 16-bit numbers are, if they are not halves of float32
    int32_t*
        left_over;  // in device memory: to be set where a variant leaves a pair to the plain one
};

// Channels are filled up to a multiple of the step.
constexpr int kResidentStep = 64, kResidentChannels = 128, kStreamedStep = 32;

constexpr int64_t kMostMaps = int64_t(1) << 30;  // of a set

// Shared memory of the largest thread block for maps of so many locations.
int64_t resident_memory(int64_t probe_locations, int64_t gallery_locations, bool positions);
int64_t streamed_memory(int64_t probe_locations, int64_t gallery_locations, bool positions,
                        bool split);
int64_t hopper_memory(int64_t probe_locations, int64_t gallery_locations, bool positions);
int64_t hopper_wide_memory(int64_t probe_locations, int64_t gallery_locations, int64_t channels,
                           bool positions, bool split);

// Whether the Hopper variant was compiled for the current device.
bool has_hopper_variant();
// Whether it is faster than the resident variant for maps of so many locations, either way round.
bool hopper_is_quicker(int64_t locations, int64_t other_locations);

template <typename Epilogue>
Status launch_resident(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream);
template <typename Epilogue>
Status launch_streamed(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream);
template <typename Epilogue>
Status launch_hopper(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream);
template <typename Epilogue>
Status launch_hopper_wide(const PairSets& sets, const Epilogue& epilogue, cudaStream_t stream);

}  // namespace qaconv::cuda
