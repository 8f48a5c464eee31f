// SPDX-License-Identifier: Apache-2.0
// What the Kafka bus is measured by: the least that a C program has to do to send or to receive with librdkafka.
//
//   anchor produce|consume BROKERS TOPIC COUNT [GROUP] name=value…
//
// The settings name=value are librdkafka's. Messages are as bus-bench makes them: same keys, headers, partitions, size.
// Prints records a second and microseconds of CPU per record as JSON. Consuming is timed from the first record to the
// last, and its CPU counts from the start of the process, since records are received before the first is handed over.

#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { VALUE_BYTES = 1024, KEYS = 1000, PARTITIONS = 4, WARM_UP = 1600, WAIT_MS = 120000 };

static const char *const HEADERS[][2] = {
    {"ce_specversion", "1.0"},
    {"ce_id", "evt_01j9z3x8k2v7q5m4n6p8r0s2t4"},
    {"ce_type", "bench.measured.v1"},
    {"ce_source", "/slipway/bench"},
    {"ce_time", "2026-01-01T00:00:00.000000Z"},
    {"content-type", "application/json"},
};
enum { HEADER_COUNT = sizeof HEADERS / sizeof HEADERS[0] };

static long delivered;

static void fail(const char *what, const char *why) {
    fprintf(stderr, "anchor: %s: %s\n", what, why);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static double cpu(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(long count, double began, double used) {
    double seconds = now() - began;
    printf("{\"rate\": %f, \"cpu_us\": %f, \"seconds\": %f}\n", count / seconds, (cpu() - used) * 1e6 / count, seconds);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err) fail("a message was not delivered", rd_kafka_err2str(message->err));
    delivered++;
}

// FNV-1a, as partition(ofKey:count:) has it.
static int32_t partition_of(const char *key) {
    uint32_t hash = 2166136261u;
    for (; *key; key++) hash = (hash ^ (uint8_t)*key) * 16777619u;
    return (int32_t)(hash % PARTITIONS);
}

static void produce(rd_kafka_t *client, rd_kafka_topic_t *topic, long count) {
    static char value[VALUE_BYTES];
    memset(value, 'x', sizeof value);
    long goal = delivered + count;
    for (long number = 0; number < count; number++) {
        char key[32];
        int length = snprintf(key, sizeof key, "key-%ld", number % KEYS);
        int32_t partition = partition_of(key);
        for (;;) {
            rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADER_COUNT + 1);
            for (int i = 0; i < HEADER_COUNT; i++)
                rd_kafka_header_add(headers, HEADERS[i][0], -1, HEADERS[i][1], -1);
            rd_kafka_header_add(headers, "ce_subject", -1, key, length);
            rd_kafka_resp_err_t error = rd_kafka_producev(
                client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(key, (size_t)length),
                RD_KAFKA_V_VALUE(value, sizeof value), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
            if (!error) break;
            rd_kafka_headers_destroy(headers);
            if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail("a message was refused", rd_kafka_err2str(error));
            rd_kafka_poll(client, 10);
        }
        if (number % 100 == 0) rd_kafka_poll(client, 0);
    }
    // Not rd_kafka_flush, which would cut the linger time short.
    while (delivered < goal) rd_kafka_poll(client, 100);
}

static void consume(rd_kafka_t *client, const char *name, long count) {
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(client, topics);
    if (error) fail("subscribing failed", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(topics);
    double began = 0, deadline = now() + WAIT_MS / 1000.0;
    for (long seen = 0; seen < count;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 1000);
        if (now() > deadline) fail("consuming failed", "not all messages came in time");
        if (!message) continue;
        if (message->err) {
            // What is no end is transient at this place, such as a topic that is not known yet.
            rd_kafka_message_destroy(message);
            continue;
        }
        if (!seen++) began = now();
        rd_kafka_headers_t *headers = NULL;
        rd_kafka_message_headers(message, &headers);
        error = rd_kafka_offset_store(message->rkt, message->partition, message->offset);
        if (error) fail("storing an offset failed", rd_kafka_err2str(error));
        rd_kafka_message_destroy(message);
    }
    report(count, began, 0);
    rd_kafka_consumer_close(client);
}

int main(int argc, char **argv) {
    if (argc < 5) fail("usage", "anchor produce|consume BROKERS TOPIC COUNT [GROUP] name=value…");
    int consumes = !strcmp(argv[1], "consume");
    const char *topic_name = argv[3];
    long count = atol(argv[4]);
    if (count <= 0) fail(argv[4], "not a number above 0");
    char text[512];
    rd_kafka_conf_t *settings = rd_kafka_conf_new();
    if (rd_kafka_conf_set(settings, "bootstrap.servers", argv[2], text, sizeof text)) fail(argv[2], text);
    for (int i = 5; i < argc; i++) {
        char *sign = strchr(argv[i], '=');
        const char *name = "group.id", *value = argv[i];
        if (sign) {
            *sign = 0;
            name = argv[i];
            value = sign + 1;
        }
        if (rd_kafka_conf_set(settings, name, value, text, sizeof text)) fail(name, text);
    }
    if (!consumes) rd_kafka_conf_set_dr_msg_cb(settings, on_delivery);
    rd_kafka_t *client =
        rd_kafka_new(consumes ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, settings, text, sizeof text);
    if (!client) fail("librdkafka", text);
    if (consumes) {
        consume(client, topic_name, count);
    } else {
        rd_kafka_topic_t *topic = rd_kafka_topic_new(client, topic_name, NULL);
        produce(client, topic, WARM_UP);
        double began = now(), used = cpu();
        produce(client, topic, count);
        report(count, began, used);
        rd_kafka_topic_destroy(topic);
    }
    rd_kafka_destroy(client);
    return 0;
}
