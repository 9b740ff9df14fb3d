// The operators on test data, on any device. A Device has
//   Array<T>                  memory of exactly the size asked for: Array(count), not yet written,
//                             or Array(vector); data(), download()
//   Status run(params) const  for the parameters of every operator
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "check.h"
#include "core/correlation_max.h"
#include "core/match_scores.h"
#include "test_maps.h"

namespace qaconv::test {

// Results of correlation_max, or gradients of its values with the positions of its winners.
template <typename T>
struct Maxima {
    std::vector<T> over_gallery, over_probe;          // [P, G, s], [P, G, r]
    std::vector<int32_t> gallery_index, probe_index;  // the same
};

template <typename T>
struct Gradients {
    std::vector<T> probe, gallery;  // [P, C, s], [G, C, r]; empty where not wanted
};

template <typename T>
struct Head {
    std::vector<T> probe_weight, gallery_weight;
    T bias;
};

inline int64_t index_size(int64_t among) { return index_is_byte(among) ? 1 : 2; }

inline std::vector<unsigned char> stored_indices(const std::vector<int32_t>& indices,
                                                 int64_t among) {
    std::vector<unsigned char> bytes;
    for (int32_t index : indices) {
        const int16_t wide = static_cast<int16_t>(index);
        unsigned char both[2];
        std::memcpy(both, &wide, 2);
        if (index_is_byte(among)) {
            bytes.push_back(static_cast<unsigned char>(index));
        } else {
            bytes.insert(bytes.end(), both, both + 2);
        }
    }
    return bytes;
}

inline std::vector<int32_t> read_indices(const std::vector<unsigned char>& bytes, int64_t among) {
    std::vector<int32_t> indices;
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(index_size(among))) {
        int16_t wide = bytes[at];
        if (!index_is_byte(among)) std::memcpy(&wide, &bytes[at], 2);
        indices.push_back(wide);
    }
    return indices;
}

inline void check_status(Status status) {
    check(status == Status::kOk, "status: got " + text(static_cast<int>(status)) + ", wanted kOk");
}

// gallery null: the probes with themselves.
template <typename T, typename Device>
Maxima<T> correlation_max(const Device& device, const TestMaps& probe, const TestMaps* gallery) {
    using Bytes = typename Device::template Array<unsigned char>;
    using Numbers = typename Device::template Array<T>;
    const TestMaps& other = gallery ? *gallery : probe;
    const Bytes probe_data(probe.storage()), gallery_data(other.storage());
    const int64_t pairs = probe.count() * other.count();
    const int64_t s = probe.places(), r = other.places();
    const Numbers over_gallery(pairs * s), over_probe(pairs * r);
    const Bytes gallery_index(pairs * s * index_size(r)), probe_index(pairs * r * index_size(s));
    CorrelationMaxParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery ? other.maps(gallery_data.data()) : Maps();
    params.self = gallery == nullptr;
    params.over_gallery = over_gallery.data();
    params.over_probe = over_probe.data();
    params.gallery_index = gallery_index.data();
    params.probe_index = probe_index.data();
    check_status(device.run(params));
    return {over_gallery.download(), over_probe.download(),
            read_indices(gallery_index.download(), r), read_indices(probe_index.download(), s)};
}

template <typename T, typename Device>
Gradients<T> correlation_max_backward(const Device& device, const TestMaps& probe,
                                      const TestMaps& gallery, const Maxima<T>& gradient,
                                      bool want_probe = true, bool want_gallery = true) {
    using Bytes = typename Device::template Array<unsigned char>;
    using Numbers = typename Device::template Array<T>;
    const Bytes probe_data(probe.storage()), gallery_data(gallery.storage());
    const Numbers grad_over_gallery(gradient.over_gallery), grad_over_probe(gradient.over_probe);
    const Bytes gallery_index(stored_indices(gradient.gallery_index, gallery.places()));
    const Bytes probe_index(stored_indices(gradient.probe_index, probe.places()));
    const Numbers grad_probe(want_probe ? probe.count() * probe.channels() * probe.places() : 0);
    const Numbers grad_gallery(
        want_gallery ? gallery.count() * gallery.channels() * gallery.places() : 0);
    CorrelationMaxBackwardParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.grad_over_gallery = grad_over_gallery.data();
    params.grad_over_probe = grad_over_probe.data();
    params.gallery_index = gallery_index.data();
    params.probe_index = probe_index.data();
    params.grad_probe = want_probe ? grad_probe.data() : nullptr;
    params.grad_gallery = want_gallery ? grad_gallery.data() : nullptr;
    check_status(device.run(params));
    return {grad_probe.download(), grad_gallery.download()};
}

template <typename T, typename Device>
std::vector<T> match_scores(const Device& device, const TestMaps& probe, const TestMaps& gallery,
                            const Head<T>& head) {
    using Numbers = typename Device::template Array<T>;
    const typename Device::template Array<unsigned char> probe_data(probe.storage()),
        gallery_data(gallery.storage());
    const Numbers probe_weight(head.probe_weight), gallery_weight(head.gallery_weight),
        bias(std::vector<T>{head.bias}), scores(probe.count() * gallery.count());
    MatchScoresParams params;
    params.probe = probe.maps(probe_data.data());
    params.gallery = gallery.maps(gallery_data.data());
    params.probe_weight = probe_weight.data();
    params.gallery_weight = gallery_weight.data();
    params.bias = bias.data();
    params.scores = scores.data();
    check_status(device.run(params));
    return scores.download();
}

template <typename T, typename Device>
std::vector<T> pairwise_distance(const Device& device, const TestMaps& features,
                                 const std::vector<T>& weight, T bias) {
    using Numbers = typename Device::template Array<T>;
    const typename Device::template Array<unsigned char> data(features.storage());
    const Numbers weights(weight), biases(std::vector<T>{bias}),
        distances(features.count() * features.count());
    PairwiseDistanceParams params;
    params.features = features.maps(data.data());
    params.weight = weights.data();
    params.bias = biases.data();
    params.distances = distances.data();
    check_status(device.run(params));
    return distances.download();
}

}  // namespace qaconv::test
