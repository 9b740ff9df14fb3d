// Copies of maps as [count][places][channels] in the type of the sums: a place's channels side by
// side, which is how the kernels read them.
#pragma once

#include <cuda_runtime.h>

#include "core/types.h"

namespace qaconv::cuda {

inline int64_t packed_size(const Maps& maps) { return maps.count * maps.places * maps.channels; }
inline int64_t packed_bytes(const Maps& maps) {
    return packed_size(maps) *
           static_cast<int64_t>(computes_in_double(maps.dtype) ? sizeof(double) : sizeof(float));
}

template <typename T>
Status pack(const Maps& maps, T* out, cudaStream_t stream);

// Turns the state left by a launch into a Status, keeping the message for last_error().
Status launch_status();

}  // namespace qaconv::cuda
