#include "cpu/kernels.h"
#include "cpu/pairs.h"

namespace qaconv::cpu {
namespace {

void store_indices(void* target, int64_t offset, const int32_t* indices, int64_t count, bool byte) {
    if (byte) {
        uint8_t* out = static_cast<uint8_t*>(target) + offset;
        for (int64_t k = 0; k < count; ++k) out[k] = static_cast<uint8_t>(indices[k]);
    } else {
        int16_t* out = static_cast<int16_t*>(target) + offset;
        for (int64_t k = 0; k < count; ++k) out[k] = static_cast<int16_t>(indices[k]);
    }
}

// Stores one direction of one pair: `values` and the partner's positions they were found at.
template <typename T>
void store(void* values_out, void* indices_out, int64_t pair, const T* values,
           const int32_t* indices, int64_t locations, int64_t partner_locations) {
    std::copy(values, values + locations, static_cast<T*>(values_out) + pair * locations);
    store_indices(indices_out, pair * locations, indices, locations,
                  index_is_byte(partner_locations));
}

template <typename T>
Status correlation_max_as(const CorrelationMaxParams& params, ParallelFor parallel_for) {
    const Maps &probe = params.probe, &gallery = params.gallery;
    return walk_pairs(FullPairs<T, true>(), probe, gallery, false, parallel_for,
                      [=](int64_t p, int64_t g, const PairMaxima<T>& maxima) {
                          const int64_t pair = p * gallery.count + g;
                          store(params.over_gallery, params.gallery_index, pair,
                                maxima.over_columns, maxima.column_index, probe.locations,
                                gallery.locations);
                          store(params.over_probe, params.probe_index, pair, maxima.over_rows,
                                maxima.row_index, gallery.locations, probe.locations);
                      });
}

template <typename T>
Status correlation_max_self_as(const CorrelationMaxSelfParams& params, ParallelFor parallel_for) {
    const Maps& maps = params.features;
    return walk_pairs(FullPairs<T, true>(), maps, maps, true, parallel_for,
                      [=](int64_t p, int64_t g, const PairMaxima<T>& maxima) {
                          store(params.maxima, params.index, p * maps.count + g,
                                maxima.over_columns, maxima.column_index, maps.locations,
                                maps.locations);
                          if (p == g) return;
                          store(params.maxima, params.index, g * maps.count + p, maxima.over_rows,
                                maxima.row_index, maps.locations, maps.locations);
                      });
}

}  // namespace

Status correlation_max(const CorrelationMaxParams& params, ParallelFor parallel_for) {
    return computes_in_double(params.probe.dtype) ? correlation_max_as<double>(params, parallel_for)
                                                  : correlation_max_as<float>(params, parallel_for);
}

Status correlation_max_self(const CorrelationMaxSelfParams& params, ParallelFor parallel_for) {
    return computes_in_double(params.features.dtype)
               ? correlation_max_self_as<double>(params, parallel_for)
               : correlation_max_self_as<float>(params, parallel_for);
}

}  // namespace qaconv::cpu
