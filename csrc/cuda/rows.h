// Copies of maps as rows: [count][locations][pitch], a location's channels side by side in the
// maps' own type (the half types widen exactly where they are read, at half the traffic). A row
// begins on a sector of 32 bytes; what pads it is zero.
#pragma once

#include <cuda_runtime.h>

#include "core/types.h"

namespace qaconv::cuda {

constexpr int64_t kSectorBytes = 32;  // the smallest piece that memory delivers

inline int64_t element_bytes(DType dtype) {
    switch (dtype) {
        case DType::kFloat64:
            return 8;
        case DType::kFloat16:
        case DType::kBFloat16:
            return 2;
        case DType::kFloat32:
            break;
    }
    return 4;
}

inline int64_t row_bytes(const Maps& maps) {
    const int64_t bytes = maps.channels * element_bytes(maps.dtype);
    return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}

inline int64_t rows_bytes(const Maps& maps) {
    return maps.count * maps.locations * row_bytes(maps);
}

Status copy_rows(const Maps& maps, void* out, cudaStream_t stream);

}  // namespace qaconv::cuda
