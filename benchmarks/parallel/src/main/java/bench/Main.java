package bench;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Confluent Parallel Consumer, KEY order: each record is one POST. Arguments: bootstrap, topic, group, url, in flight. */
public final class Main {
  private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  public static void main(String[] arguments) {
    var properties = new Properties();
    properties.put("bootstrap.servers", arguments[0]);
    properties.put("group.id", arguments[2]);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("isolation.level", "read_committed");
    properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
    var target = URI.create(arguments[3]);
    var options = ParallelConsumerOptions.<byte[], byte[]>builder()
        .ordering(ProcessingOrder.KEY)
        .maxConcurrency(Integer.parseInt(arguments[4]))
        .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
        .consumer(new KafkaConsumer<byte[], byte[]>(properties))
        .build();
    var processor = ParallelStreamProcessor.createEosStreamProcessor(options);
    Runtime.getRuntime().addShutdownHook(new Thread(processor::closeDrainFirst));
    processor.subscribe(List.of(arguments[1]));
    processor.poll(context -> send(target, context.getSingleConsumerRecord()));
  }

  private static void send(URI target, ConsumerRecord<byte[], byte[]> record) {
    var request = HttpRequest.newBuilder(target)
        .header("content-type", "application/json")
        .header("x-key", new String(record.key(), StandardCharsets.UTF_8))
        .header("x-sequence", new String(record.headers().lastHeader("ce_sequence").value(), StandardCharsets.UTF_8))
        .POST(HttpRequest.BodyPublishers.ofByteArray(record.value()))
        .build();
    try {
      var status = CLIENT.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
      if (status >= 300) {
        throw new IllegalStateException("status " + status);
      }
    } catch (java.io.IOException | InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }
}
