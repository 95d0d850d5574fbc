# One image per service: docker build --target sim-server|scheduler|tap|gatekeeper|sampler|console . They need a writable /data and nothing else.
FROM node:24-slim AS base
WORKDIR /app
RUN install --directory --owner=node --group=node /data
COPY package.json package-lock.json .npmrc ./

FROM base AS services
ENV NODE_ENV=production
RUN npm ci --omit=dev --ignore-scripts
COPY platform platform

FROM services AS sim-server
COPY sim-server sim-server
ENV HOST=0.0.0.0 PORT=9000 EVENKEEL_DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 9000
CMD ["node", "sim-server/database/main.ts"]

FROM services AS scheduler
COPY core core
COPY services/scheduler services/scheduler
ENV STATUS_HOST=0.0.0.0 STATUS_PORT=9010
USER node
EXPOSE 9010
CMD ["node", "services/scheduler/main.ts"]

FROM services AS tap
COPY core core
COPY services/tap services/tap
ENV HOST=0.0.0.0 PORT=9020 EVENKEEL_DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 9020
CMD ["node", "services/tap/main.ts"]

FROM services AS gatekeeper
COPY services/gatekeeper services/gatekeeper
ENV HOST=0.0.0.0 PORT=9040 EVENKEEL_DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 9040
CMD ["node", "services/gatekeeper/main.ts"]

# It has to see the processes of the database: --pid container:NAME --user UID-OF-THE-DATABASE (docs/postgres.md).
FROM services AS sampler
COPY services/sampler services/sampler
USER node
CMD ["node", "services/sampler/main.ts"]

FROM services AS console
COPY core core
COPY services/console services/console
COPY sim-server sim-server
ENV HOST=0.0.0.0 PORT=9030 EVENKEEL_SIMULATOR=sim-server/database/traffic.ts
USER node
EXPOSE 9030
CMD ["node", "services/console/main.ts"]

# Deploys the stack once and writes the services' variables to /data/workload.env.
FROM base AS deploy
RUN npm ci
COPY cdk.json tsconfig.json ./
COPY bin/app.ts bin/app.ts
COPY core core
COPY infra infra
COPY lambdas lambdas
COPY local/write-environment.ts local/write-environment.ts
COPY platform platform
RUN chown node:node /app
USER node
VOLUME /data
ENV PATH=/app/node_modules/.bin:$PATH CDK_DISABLE_CLI_TELEMETRY=1
CMD ["sh", "-euc", "cdk bootstrap --no-notices --app '' aws://000000000000/$AWS_REGION; cdk deploy evenkeel-workload --context runtime=false --no-notices --require-approval never --method direct --progress events --outputs-file /data/outputs.json --output /tmp/cdk.out; node local/write-environment.ts /data/outputs.json > /data/workload.env"]
