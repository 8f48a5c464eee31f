// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <malloc.h>

// rd_kafka_producev is variadic, which Swift cannot call. Key, value and headers are copied or, on success only,
// taken over (headers); `opaque` comes back with the delivery report.
static inline rd_kafka_resp_err_t crdkafka_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition,
                                                   const void *key, size_t key_size, const void *value,
                                                   size_t value_size, rd_kafka_headers_t *headers, uintptr_t opaque) {
    return rd_kafka_producev(rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, key_size),
                             RD_KAFKA_V_VALUE((void *)value, value_size), RD_KAFKA_V_HEADERS(headers),
                             RD_KAFKA_V_OPAQUE((void *)opaque), RD_KAFKA_V_END);
}

// Bytes allocated and not freed, librdkafka's included, for the leak check: Swift's Glibc leaves malloc.h out.
static inline size_t crdkafka_heap_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
