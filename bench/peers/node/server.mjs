// A server as the documentation of graphql-yoga and graphql-ws builds one: the same part of the schema, everything in
// memory. It answers with a page of devices (the file named first), and streams what is posted to /emit. With "cache" as
// the second argument it has yoga's response cache, by sign-in.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { useResponseCache } from '@graphql-yoga/plugin-response-cache'
import { useServer } from 'graphql-ws/use/ws'
import { createPubSub, createSchema, createYoga, filter, pipe } from 'graphql-yoga'
import { WebSocketServer } from 'ws'

const [page, caching] = process.argv.slice(2)
const { agents } = JSON.parse(readFileSync(page, 'utf8')).data
const events = createPubSub()

const yoga = createYoga({
  schema: createSchema({
    typeDefs: readFileSync(new URL('../schema.graphqls', import.meta.url), 'utf8'),
    resolvers: {
      Query: { agents: () => agents },
      DeviceEvent: { __resolveType: () => 'PositionReported' },
      Subscription: {
        deviceEvents: {
          subscribe: (_, { filter: wanted }) =>
            pipe(
              events.subscribe('event'),
              filter((event) => !wanted?.kinds || wanted.kinds.includes(event.kind)),
            ),
          resolve: (event) => event,
        },
      },
    },
  }),
  logging: false,
  graphiql: false,
  plugins: caching === 'cache' ? [useResponseCache({ session: (request) => request.headers.get('authorization'), ttl: 600_000 })] : [],
})

const server = createServer((request, response) => {
  if (request.url !== '/emit') return yoga(request, response)
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    events.publish('event', JSON.parse(Buffer.concat(parts)))
    response.end()
  })
})

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (ctx, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...ctx,
        req: ctx.extra.request,
        socket: ctx.extra.socket,
        params,
      })
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      }
      const errors = validate(args.schema, args.document)
      return errors.length ? errors : args
    },
  },
  new WebSocketServer({ server, path: yoga.graphqlEndpoint }),
)

server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
