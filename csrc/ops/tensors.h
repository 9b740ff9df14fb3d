// Between torch's tensors (stable ABI) and the core's plain structs. Arguments were checked in
// Python, which can say more; what is checked here keeps a direct torch.ops call from reading
// outside its memory.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include "core/types.h"

namespace qaconv {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

inline DType dtype_of(const Tensor& tensor) {
    switch (tensor.scalar_type()) {
        case ScalarType::Float:
            return DType::kFloat32;
        case ScalarType::Double:
            return DType::kFloat64;
        case ScalarType::Half:
            return DType::kFloat16;
        case ScalarType::BFloat16:
            return DType::kBFloat16;
        default:
            STD_TORCH_CHECK(false, "qaconv: maps must be float32, float64, float16 or bfloat16");
    }
}

// The type of the sums, and so of maxima, scores, weights and gradients.
inline ScalarType sum_type(const Tensor& maps) {
    return maps.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

inline ScalarType index_type(int64_t locations) {
    return index_is_byte(locations) ? ScalarType::Byte : ScalarType::Short;
}

inline Maps maps_of(const Tensor& tensor) {
    STD_TORCH_CHECK(tensor.dim() == 3, "qaconv: maps must be [N, C, locations]");
    Maps maps;
    maps.data = tensor.const_data_ptr();
    maps.dtype = dtype_of(tensor);
    maps.count = tensor.size(0);
    maps.channels = tensor.size(1);
    maps.locations = tensor.size(2);
    maps.map_stride = tensor.stride(0);
    maps.channel_stride = tensor.stride(1);
    maps.location_stride = tensor.stride(2);
    STD_TORCH_CHECK(maps.channels > 0 && maps.locations > 0,
                    "qaconv: maps without channels or locations");
    STD_TORCH_CHECK(maps.locations <= kMaxLocations, "qaconv: more than 32767 locations");
    return maps;
}

inline void check_pair(const Tensor& probe, const Tensor& gallery) {
    STD_TORCH_CHECK(probe.dim() == 3 && gallery.dim() == 3,
                    "qaconv: maps must be [N, C, locations]");
    STD_TORCH_CHECK(probe.scalar_type() == gallery.scalar_type(), "qaconv: maps differ in dtype");
    STD_TORCH_CHECK(probe.size(1) == gallery.size(1), "qaconv: maps differ in channels");
    STD_TORCH_CHECK(probe.device() == gallery.device(), "qaconv: maps differ in device");
}

// A contiguous copy or alias with so many numbers of the type of the sums, beside the maps.
inline Tensor numbers_of(const Tensor& tensor, int64_t count, const Tensor& maps) {
    STD_TORCH_CHECK(tensor.numel() == count, "qaconv: a vector or gradient has the wrong size");
    STD_TORCH_CHECK(tensor.scalar_type() == sum_type(maps), "qaconv: a vector has the wrong dtype");
    STD_TORCH_CHECK(tensor.device() == maps.device(), "qaconv: a vector is on another device");
    return torch::stable::contiguous(tensor);
}

inline Tensor indices_of(const Tensor& tensor, int64_t count, int64_t among, const Tensor& maps) {
    STD_TORCH_CHECK(tensor.numel() == count, "qaconv: indices have the wrong size");
    STD_TORCH_CHECK(tensor.scalar_type() == index_type(among),
                    "qaconv: indices of the wrong dtype");
    STD_TORCH_CHECK(tensor.device() == maps.device(), "qaconv: indices are on another device");
    return torch::stable::contiguous(tensor);
}

}  // namespace qaconv
