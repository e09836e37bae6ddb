/* What kafkajs does with a broker that has no groups. usage: node matrix.js HOST:PORT PREFIX */
'use strict'
const assert = require('assert')
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')

const [address, prefix] = process.argv.slice(2)
const MESSAGES = 200
const PARTITIONS = 2
const kafka = new Kafka({
  clientId: 'kafkajs-matrix',
  brokers: [address],
  connectionTimeout: 120000,
  requestTimeout: 120000,
  logLevel: logLevel.WARN,
})
const admin = kafka.admin()

const messages = first =>
  Array.from({ length: MESSAGES }, (_, i) => ({
    partition: i % PARTITIONS,
    key: `key-${i}`,
    value: `value-${i}`,
    headers: { trace: String(i) },
    timestamp: String(first + i),
  }))

async function produce(topic, options, compression, first) {
  const producer = kafka.producer({ allowAutoTopicCreation: false, ...options })
  await producer.connect()
  await producer.send({ topic, compression, acks: -1, messages: messages(first) })
  await producer.disconnect()
}

/* Its consumers are members of a group, always. What lies below them takes a partition and an offset. */
async function consume(topic) {
  const createCluster = Object.getOwnPropertySymbols(kafka).find(symbol => /createCluster/.test(symbol.description))
  const cluster = kafka[createCluster]({ allowAutoTopicCreation: false })
  await cluster.connect()
  await cluster.addTargetTopic(topic)
  const values = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { leader } = cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)
    const broker = await cluster.findBroker({ nodeId: leader })
    for (let fetchOffset = 0; fetchOffset < MESSAGES / PARTITIONS; ) {
      const { responses } = await broker.fetch({
        maxWaitTime: 1000,
        topics: [{ topic, partitions: [{ partition, fetchOffset: String(fetchOffset), maxBytes: 1048576 }] }],
      })
      for (const message of responses[0].partitions[0].messages) {
        assert.strictEqual(message.offset, String(fetchOffset++))
        assert.strictEqual(message.key.toString(), message.value.toString().replace('value', 'key'))
        values.push(message.value.toString())
      }
    }
  }
  await cluster.disconnect()
  assert.deepStrictEqual(values.sort(), messages(0).map(({ value }) => value).sort())
}

async function main() {
  await admin.connect()
  const first = Date.now() - 60000
  const kinds = {
    none: [{}, CompressionTypes.None],
    gzip: [{}, CompressionTypes.GZIP],
    idempotent: [{ idempotent: true, maxInFlightRequests: 1 }, CompressionTypes.None],
  }
  for (const [kind, [options, compression]] of Object.entries(kinds)) {
    const topic = `${prefix}-${kind}`
    const description = { topic, numPartitions: PARTITIONS, replicationFactor: 1 }
    assert.strictEqual(await admin.createTopics({ topics: [description] }), true)
    await produce(topic, options, compression, first)
    await consume(topic)
    console.log(`ok ${topic}`)
  }

  const topic = `${prefix}-none`
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.strictEqual(topics[0].partitions.length, PARTITIONS)
  const ends = await admin.fetchTopicOffsets(topic)
  assert.deepStrictEqual(ends.map(({ low, high }) => [low, high]), Array(PARTITIONS).fill(['0', String(MESSAGES / 2)]))
  const found = await admin.fetchTopicOffsetsByTimestamp(topic, first + 100)
  assert.deepStrictEqual(found.map(({ offset }) => offset), ['50', '50'])
  const cluster = await admin.describeCluster()
  assert.deepStrictEqual(cluster.brokers.map(({ host, port }) => `${host}:${port}`), [address])

  const doomed = `${prefix}-doomed`
  await admin.createTopics({ topics: [{ topic: doomed }] })
  assert((await admin.listTopics()).includes(doomed))
  await admin.deleteTopics({ topics: [doomed] })
  assert(!(await admin.listTopics()).includes(doomed))
  await admin.disconnect()
  console.log('ok admin')
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
