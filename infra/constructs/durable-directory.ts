/** A directory that outlives the container: an outbox must. Encrypted; one user's; reached by whom a rule lets in. */
import type { RemovalPolicy } from "aws-cdk-lib";
import type { Connections, IConnectable, IVpc } from "aws-cdk-lib/aws-ec2";
import type { ContainerDefinition, FargateTaskDefinition } from "aws-cdk-lib/aws-ecs";
import { type AccessPoint, FileSystem } from "aws-cdk-lib/aws-efs";
import { Construct } from "constructs";

/** User `node` of the images. */
const owner = "1000";

export class DurableDirectory extends Construct implements IConnectable {
  readonly connections: Connections;
  readonly #files: FileSystem;
  readonly #access: AccessPoint;

  constructor(scope: Construct, id: string, { vpc, removalPolicy }: { vpc: IVpc; removalPolicy: RemovalPolicy }) {
    super(scope, id);
    this.#files = new FileSystem(this, "Files", {
      vpc,
      vpcSubnets: { subnets: vpc.privateSubnets.length > 0 ? vpc.privateSubnets : vpc.publicSubnets },
      encrypted: true,
      enableAutomaticBackups: false,
      removalPolicy,
    });
    this.#access = this.#files.addAccessPoint("Access", {
      path: "/data",
      createAcl: { ownerUid: owner, ownerGid: owner, permissions: "700" },
      posixUser: { uid: owner, gid: owner },
    });
    this.connections = this.#files.connections;
  }

  mount(task: FargateTaskDefinition, container: ContainerDefinition, path: string): void {
    task.addVolume({
      name: "data",
      efsVolumeConfiguration: {
        fileSystemId: this.#files.fileSystemId,
        transitEncryption: "ENABLED",
        authorizationConfig: { accessPointId: this.#access.accessPointId, iam: "ENABLED" },
      },
    });
    container.addMountPoints({ sourceVolume: "data", containerPath: path, readOnly: false });
    this.#files.grantReadWrite(task.taskRole);
  }
}
