// The plain variant: a thread block for each pair, arithmetic in the type of the sums, no tensor
// cores. It is the truth that the others are held to, and the only variant for float64, for sm_75,
// for maps that are not ordinary (operands.h) and for maps too large for the others.
#pragma once

#include <cuda_runtime.h>

#include "cuda/operands.h"

namespace qaconv::cuda {

// Which maps the tensor cores left over, beside the pairs that the epilogue knows of; without one,
// all pairs are wanted.
struct FallbackMaps {
    const int32_t* any;  // 0: no map and no pair at all
    Magnitudes probe, gallery;
};

// `triangle`: the two are the same set, and only pairs with p <= g are wanted. Epilogue:
// epilogues.cuh.
template <typename Epilogue>
Status launch_plain(const Maps& probe, const Maps& gallery, bool triangle,
                    const FallbackMaps* fallback, const Epilogue& epilogue, cudaStream_t stream);

}  // namespace qaconv::cuda
