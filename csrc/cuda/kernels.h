// The CUDA entry points: (params, workspace, stream) -> Status. No torch, no synchronization, no
// allocation: the caller brings a workspace of the size the neighboring function says (device
// memory, 16-byte aligned). What they compute: core/<op>.h. last_error() explains kLaunchFailed.
//
// float16, bfloat16 and float32 maps are matched by tensor cores on sm_80 and later (hopper.cu,
// resident.cu, streamed.cu); everything else, and what they leave over, by the plain variant
// (plain.cu). The backward is one variant for all (backward.cu).
#pragma once

#include "core/correlation_max.h"
#include "core/match_scores.h"

namespace qaconv::cuda {

using Stream = void*;  // cudaStream_t

int64_t correlation_max_workspace(const CorrelationMaxParams& params);
Status correlation_max(const CorrelationMaxParams& params, void* workspace, Stream stream);

int64_t correlation_max_backward_workspace(const CorrelationMaxBackwardParams& params);
Status correlation_max_backward(const CorrelationMaxBackwardParams& params, void* workspace,
                                Stream stream);

int64_t correlation_max_self_workspace(const CorrelationMaxSelfParams& params);
Status correlation_max_self(const CorrelationMaxSelfParams& params, void* workspace, Stream stream);

int64_t correlation_max_self_backward_workspace(const CorrelationMaxSelfBackwardParams& params);
Status correlation_max_self_backward(const CorrelationMaxSelfBackwardParams& params,
                                     void* workspace, Stream stream);

int64_t match_scores_workspace(const MatchScoresParams& params);
Status match_scores(const MatchScoresParams& params, void* workspace, Stream stream);

int64_t pairwise_distance_workspace(const PairwiseDistanceParams& params);
Status pairwise_distance(const PairwiseDistanceParams& params, void* workspace, Stream stream);

// kAuto: the fastest that the device, the type and the sizes of the maps allow. kTensor: the same
// without hopper.cu. kPlain: the plain variant for everything, to hold the others against it.
// QACONV_CUDA_VARIANT=auto, tensor or plain in the environment does the same; qaconv_ext/backend.py
// refuses any other word.
enum class Variant { kAuto, kTensor, kPlain };
void set_variant(Variant variant);

// Which variant this thread's last forward took: "hopper", "resident", "streamed" or "plain"; ""
// before the first.
const char* last_variant();

// How many gallery maps a thread block takes in a row, for the tests: results do not depend on it.
// 0, the default: as many as keep the device busy.
void set_run(int gallery_maps);

// What CUDA says of the last launch of this thread that failed.
const char* last_error();

}  // namespace qaconv::cuda
