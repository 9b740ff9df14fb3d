// The CPU entry points: torch-free, thread-library-free. What they compute: core/<op>.h.
#pragma once

#include "core/correlation_max.h"
#include "core/match_scores.h"
#include "core/narrow.h"

namespace qaconv::cpu {

Status correlation_max(const CorrelationMaxParams& params, ParallelFor parallel_for);
Status correlation_max_backward(const CorrelationMaxBackwardParams& params,
                                ParallelFor parallel_for);
Status correlation_max_self(const CorrelationMaxSelfParams& params, ParallelFor parallel_for);
Status correlation_max_self_backward(const CorrelationMaxSelfBackwardParams& params,
                                     ParallelFor parallel_for);
Status match_scores(const MatchScoresParams& params, ParallelFor parallel_for);
Status match_scores_narrow(const MatchScoresNarrowParams& params, ParallelFor parallel_for);
Status pairwise_distance(const PairwiseDistanceParams& params, ParallelFor parallel_for);

// For measuring what the processor can do: multiply-adds of floats in registers, on this thread,
// with the instruction set in use. Returns how many operations (two per number and multiply-add)
// were done; one iteration is a few dozen instructions.
double fma_operations(int64_t iterations);

}  // namespace qaconv::cpu
