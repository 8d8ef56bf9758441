package export

import "strings"

// policy is what a role or a person may do.
type policy []statement

// statement allows actions on resources. Resources name the places that each form fills in its own way: {partition},
// {region}, {account}, {bucket} and {packages}.
type statement struct {
	sid       string
	actions   []string
	resources []string
	condition *condition
}

// condition limits a statement.
type condition struct{ test, variable, value string }

const (
	serviceLambda = "lambda.amazonaws.com"
	serviceStates = "states.amazonaws.com"
)

func (d *deployment) functionARN(name string) string {
	return "arn:{partition}:lambda:{region}:{account}:function:" + name
}

func (d *deployment) logARN(name string) string {
	return "arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/" + name + ":*"
}

func (d *deployment) roleARN(name string) string {
	return "arn:{partition}:iam::{account}:role/" + name
}

func (d *deployment) objectsARN(prefix string) string {
	return "arn:{partition}:s3:::{bucket}/" + prefix + "*"
}

// Names of the roles.
func (d *deployment) stageRole() string    { return d.functions() + "stage" }
func (d *deployment) gatewayRole() string  { return d.functions() + "gateway" }
func (d *deployment) functionRole() string { return d.functions() + "function" }
func (d *deployment) machineRole() string  { return d.functions() + "state-machine" }

// stagePolicy is what a stage needs: a log, and the objects that it takes and hands over. An answer that is too large for
// a payload goes through S3 whatever the plan says.
func (d *deployment) stagePolicy() policy {
	return append(policy{
		{sid: "WriteLogs", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, resources: []string{d.logARN(d.functions() + "stage-*")}},
		{sid: "HandOverTensors", actions: []string{"s3:GetObject", "s3:PutObject"}, resources: []string{d.objectsARN(d.runs())}},
	}, d.fetchWeights()...)
}

// fetchWeights is what stages need whose weights are not in their packages.
func (d *deployment) fetchWeights() policy {
	if !d.fetches() {
		return nil
	}
	return policy{{sid: "FetchWeights", actions: []string{"s3:GetObject"}, resources: []string{"arn:{partition}:s3:::{bucket}/{packages}/*.weights"}}}
}

// gatewayPolicy is what the gateway needs: a log, the stages, and the objects of requests, which it removes.
func (d *deployment) gatewayPolicy() policy {
	var stages []string
	for _, f := range d.stages {
		stages = append(stages, d.functionARN(f.name))
	}
	return policy{
		{sid: "WriteLogs", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, resources: []string{d.logARN(d.gateway.name)}},
		{sid: "DriveStages", actions: []string{"lambda:InvokeFunction"}, resources: stages},
		{sid: "HandOverTensors", actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, resources: []string{d.objectsARN(d.runs())}},
		d.listRuns(),
	}
}

func (d *deployment) listRuns() statement {
	return statement{sid: "FindTensors", actions: []string{"s3:ListBucket"}, resources: []string{"arn:{partition}:s3:::{bucket}"}, condition: &condition{"StringLike", "s3:prefix", d.runs() + "*"}}
}

// functionPolicy is what the one role needs under which the server runs gateways and stages alike.
func (d *deployment) functionPolicy() policy {
	return append(policy{
		{sid: "WriteLogs", actions: []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}, resources: []string{d.logARN(d.functions() + "*")}},
		{sid: "DriveStages", actions: []string{"lambda:InvokeFunction"}, resources: []string{d.functionARN(d.functions() + "stage-*")}},
		{sid: "HandOverTensors", actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, resources: []string{d.objectsARN(d.runs())}},
		d.listRuns(),
	}, d.fetchWeights()...)
}

// machinePolicy is what the state machine needs: the stages, and the gateway's function before and after them.
func (d *deployment) machinePolicy() policy {
	var functions []string
	for _, f := range d.all() {
		functions = append(functions, d.functionARN(f.name))
	}
	return policy{{sid: "DriveStages", actions: []string{"lambda:InvokeFunction"}, resources: functions}}
}

func (d *deployment) machineARN() string {
	return "arn:{partition}:states:{region}:{account}:stateMachine:" + d.machineName()
}

// machineName names the state machine that drives the stages, as the server's deployer names it.
func (d *deployment) machineName() string { return d.functions() + "workflow" }

// deployerPolicy is what the server needs to deploy and destroy: the calls that it makes, on what is the deployment's.
func (d *deployment) deployerPolicy() policy {
	all := policy{
		{sid: "ManageFunctions", actions: []string{"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:InvokeFunction", "lambda:ListTags", "lambda:TagResource"},
			resources: []string{d.functionARN(d.functions() + "*")}},
		{sid: "ListFunctions", actions: []string{"lambda:ListFunctions"}, resources: []string{"*"}}, // it knows no resources
		{sid: "PassRole", actions: []string{"iam:PassRole"}, resources: []string{d.roleARN(d.functionRole())}, condition: &condition{"StringEquals", "iam:PassedToService", serviceLambda}},
		{sid: "UseBucket", actions: []string{"s3:CreateBucket", "s3:ListBucket"}, resources: []string{"arn:{partition}:s3:::{bucket}"}},
		{sid: "ManageObjects", actions: []string{"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
			resources: []string{d.objectsARN("deployments/"), d.objectsARN(d.runs()), d.objectsARN("uploads/")}},
	}
	if d.plan.Workflow != nil {
		all = append(all,
			statement{sid: "ManageWorkflow", actions: []string{"states:CreateStateMachine", "states:DeleteStateMachine", "states:DescribeStateMachine", "states:ListTagsForResource", "states:StartSyncExecution", "states:TagResource"},
				resources: []string{d.machineARN()}},
			statement{sid: "PassWorkflowRole", actions: []string{"iam:PassRole"}, resources: []string{d.roleARN(d.machineRole())}, condition: &condition{"StringEquals", "iam:PassedToService", serviceStates}},
			statement{sid: "ListWorkflows", actions: []string{"states:ListStateMachines"}, resources: []string{"*"}}) // it knows no resources
	}
	return append(all, d.manageImages()...)
}

func (d *deployment) repositoryARN() string {
	return "arn:{partition}:ecr:{region}:{account}:repository/" + d.repository()
}

// manageImages is what the server needs to make, fill and remove the repository of container images. Lambda lets itself read from it
// by the repository's policy, which it changes with the rights of whoever creates a function.
func (d *deployment) manageImages() policy {
	if !d.images() {
		return nil
	}
	return policy{
		{sid: "LogInToRegistry", actions: []string{"ecr:GetAuthorizationToken"}, resources: []string{"*"}}, // it knows no resources
		{sid: "ManageImages", actions: []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:CreateRepository", "ecr:DeleteRepository", "ecr:DescribeRepositories",
			"ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy", "ecr:InitiateLayerUpload", "ecr:ListTagsForResource", "ecr:PutImage", "ecr:SetRepositoryPolicy", "ecr:TagResource", "ecr:UploadLayerPart"},
			resources: []string{d.repositoryARN()}},
	}
}

// readImages is what whoever makes a function of a container image needs.
func (d *deployment) readImages() policy {
	if !d.images() {
		return nil
	}
	return policy{{sid: "ReadImages", actions: []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy"}, resources: []string{d.repositoryARN()}}}
}

// infrastructurePolicy is what applying the SAM, CloudFormation or Terraform form needs, changes and removal included.
func (d *deployment) infrastructurePolicy() policy {
	roles := []string{d.roleARN(d.gatewayRole()), d.roleARN(d.stageRole())}
	managed := roles
	var workflow policy
	if d.plan.Workflow != nil {
		managed = append(managed, d.roleARN(d.machineRole()))
		workflow = policy{{sid: "ManageWorkflow", actions: []string{"states:CreateStateMachine", "states:DeleteStateMachine", "states:DescribeStateMachine", "states:ListStateMachineVersions", "states:ListTagsForResource",
			"states:TagResource", "states:UntagResource", "states:UpdateStateMachine"}, resources: []string{d.machineARN()}},
			{sid: "PassWorkflowRole", actions: []string{"iam:PassRole"}, resources: []string{d.roleARN(d.machineRole())}, condition: &condition{"StringEquals", "iam:PassedToService", serviceStates}},
			{sid: "CheckWorkflow", actions: []string{"states:ValidateStateMachineDefinition"}, resources: []string{"*"}}} // it knows no resources
	}
	return append(policy{
		{sid: "ManageFunctions", actions: []string{"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConfiguration",
			"lambda:ListTags", "lambda:ListVersionsByFunction", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"},
			resources: []string{d.functionARN(d.functions() + "*")}},
		{sid: "ManageRoles", actions: []string{"iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
			"iam:ListRolePolicies", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy"}, resources: managed},
		{sid: "PassRoles", actions: []string{"iam:PassRole"}, resources: roles, condition: &condition{"StringEquals", "iam:PassedToService", serviceLambda}},
		{sid: "ManageLogs", actions: []string{"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource", "logs:UntagResource"},
			resources: []string{d.logARN(d.functions() + "*"), strings.TrimSuffix(d.logARN(d.functions()+"*"), ":*")}},
		{sid: "FindLogs", actions: []string{"logs:DescribeLogGroups"}, resources: []string{"*"}}, // it is given no single group
		{sid: "ReadPackages", actions: []string{"s3:GetObject"}, resources: []string{d.objectsARN(d.packages() + "/")}},
	}, append(workflow, d.readImages()...)...)
}

// places fills the places in a resource's name.
type places struct{ partition, region, account, bucket, packages string }

func (at places) fill(resource string) string {
	return strings.NewReplacer("{partition}", at.partition, "{region}", at.region, "{account}", at.account, "{bucket}", at.bucket, "{packages}", at.packages).Replace(resource)
}

const policyVersion = "2012-10-17" // of IAM's policy language

// document writes a policy in IAM's policy language.
func (p policy) document(resource func(string) any) object {
	statements := list{}
	for _, s := range p {
		o := object{m("Sid", s.sid), m("Effect", "Allow"), m("Action", texts(s.actions))}
		var resources list
		for _, r := range s.resources {
			resources = append(resources, resource(r))
		}
		o = append(o, m("Resource", resources))
		if c := s.condition; c != nil {
			o = append(o, m("Condition", object{m(c.test, object{m(c.variable, c.value)})}))
		}
		statements = append(statements, o)
	}
	return object{m("Version", policyVersion), m("Statement", statements)}
}

// trust lets a service take a role.
func trust(service string) object {
	return object{m("Version", policyVersion), m("Statement", list{
		object{m("Effect", "Allow"), m("Principal", object{m("Service", service)}), m("Action", "sts:AssumeRole")}})}
}

func texts(all []string) list {
	var l list
	for _, s := range all {
		l = append(l, s)
	}
	return l
}

// IAMFormat is the version of the document of the form "iam".
const IAMFormat = "partita.iam/1"

// iamDocument writes the policies of all who have to do with a deployment.
func iamDocument(d *deployment) ([]byte, error) {
	at := places{"aws", d.region, d.account, d.bucket, d.packages()}
	if at.region == "" {
		at.region = "*"
	}
	if at.account == "" {
		at.account = "*"
	}
	resource := func(r string) any { return at.fill(r) }
	role := func(name, purpose, service string, p policy) member {
		return m(name, object{m("for", purpose), m("trust", trust(service)), m("policy", p.document(resource))})
	}
	return asJSON(object{
		m("format", IAMFormat), m("deployment", d.name), m("plan", d.plan.Hash),
		m("policies", object{
			m("deployer", object{m("for", "the server, to deploy and destroy (partita serve --cloud aws)"), m("policy", d.deployerPolicy().document(resource))}),
			m("infrastructure", object{m("for", "whoever applies the SAM, CloudFormation or Terraform form"), m("policy", d.infrastructurePolicy().document(resource))}),
		}),
		m("roles", object{
			role(d.functionRole(), "all functions that the server deploys (partita serve --role)", serviceLambda, d.functionPolicy()),
			role(d.gatewayRole(), "the gateway in the SAM, CloudFormation and Terraform forms", serviceLambda, d.gatewayPolicy()),
			role(d.stageRole(), "the stages in the SAM, CloudFormation and Terraform forms", serviceLambda, d.stagePolicy()),
			role(d.machineRole(), "the state machine, of the ASL form or of a plan with orchestration step-functions", serviceStates, d.machinePolicy()),
		}),
	}), nil
}
