// The CPU entry points: torch-free, thread-library-free. What they compute: core/<op>.h.
#pragma once

#include "core/correlation_max.h"
#include "core/match_scores.h"

namespace qaconv::cpu {

Status correlation_max(const CorrelationMaxParams& params, ParallelFor parallel_for);
Status correlation_max_backward(const CorrelationMaxBackwardParams& params,
                                ParallelFor parallel_for);
Status match_scores(const MatchScoresParams& params, ParallelFor parallel_for);
Status pairwise_distance(const PairwiseDistanceParams& params, ParallelFor parallel_for);

}  // namespace qaconv::cpu
