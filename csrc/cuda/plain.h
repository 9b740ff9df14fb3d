// The plain text: a thread block for each pair, arithmetic in the type of the sums, no tensor
// cores. It is the truth that the others are held to, and the only text for float64, for sm_75, for
// maps that are not ordinary (operands.h) and for maps too large for the others.
#pragma once

#include <cuda_runtime.h>

#include "cuda/operands.h"

namespace qaconv::cuda {

// Which maps the tensor cores left over, beside the pairs that the sink knows of; without one, all
// pairs are wanted.
struct WildMaps {
    const int32_t* any;  // 0: no map and no pair at all
    Magnitudes probe, gallery;
};

// `triangle`: the two are the same set, and only pairs with p <= g are wanted. Sink: sinks.cuh.
template <typename Sink>
Status launch_plain(const Maps& probe, const Maps& gallery, bool triangle, const WildMaps* wild,
                    const Sink& sink, cudaStream_t stream);

}  // namespace qaconv::cuda
