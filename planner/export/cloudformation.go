package export

import (
	"fmt"
	"strings"

	"partita/planner/report"
)

// The two forms share parameters, roles, logs and outputs; they differ in how a function is written.

// usage tells how a template's parameters come to fit.
func (d *deployment) usage() []string {
	lines := append(d.heading(),
		"The packages ("+d.files()+") must be in the bucket under PackagePrefix. The gateway's package names the",
		"bucket for hand-overs, so Bucket must be the one that it was made for; partita package writes them.",
		"The roles have names, so creating the stack needs the capability CAPABILITY_NAMED_IAM.")
	if d.images() {
		lines = append(lines, "Stages that are container images must be in Repository of this account, tagged stage-N; partita package writes them for",
			"docker load or crane push.")
	}
	return lines
}

// files names the files that a deployment's packages are in.
func (d *deployment) files() string {
	if d.fetches() {
		return "stage-1.zip ... gateway.zip, and the weights that are not in them, stage-N.weights"
	}
	return "stage-1.zip ... gateway.zip"
}

// variables is the environment of a function, if it needs one.
func variables(f *function) object {
	if !f.fetches {
		return nil
	}
	return object{m("Environment", object{m("Variables", object{m(weightsVariable, sub("s3://${Bucket}/${PackagePrefix}/"+f.key+".weights"))})})}
}

func sub(text string) object { return object{m("Fn::Sub", text)} }

// subResource writes a resource's name; one without places is plain text.
func subResource(r string) any {
	if !strings.Contains(r, "{") {
		return r
	}
	return sub(places{"${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}", "${Bucket}", "${PackagePrefix}"}.fill(r))
}

func reference(name string) object { return object{m("Ref", name)} }

func attribute(resource, name string) object { return object{m("Fn::GetAtt", list{resource, name})} }

func (d *deployment) parameters() object {
	all := object{
		m("Bucket", object{m("Type", "String"), m("Default", d.bucket), m("Description", "Bucket of the packages and of what stages hand over")}),
		m("PackagePrefix", object{m("Type", "String"), m("Default", d.packages()), m("Description", "Folder of the packages in the bucket, without a final slash")}),
		m("LogRetentionDays", object{m("Type", "Number"), m("Default", int64(14)), m("Description", "Days that logs are kept"),
			m("AllowedValues", list{int64(1), int64(3), int64(5), int64(7), int64(14), int64(30), int64(60), int64(90), int64(180), int64(365)})}),
	}
	if d.images() {
		all = append(all, m("Repository", object{m("Type", "String"), m("Default", d.repository()), m("Description", "Repository of the container images in this account")}))
	}
	return all
}

func (d *deployment) tags() list {
	return list{object{m("Key", "partita:deployment"), m("Value", d.name)}, object{m("Key", "partita:plan"), m("Value", d.plan.Hash)}}
}

func (d *deployment) role(id, name string, p policy) member {
	return d.roleFor(id, name, serviceLambda, p)
}

func (d *deployment) roleFor(id, name, service string, p policy) member {
	return m(id, object{m("Type", "AWS::IAM::Role"), m("Properties", object{
		m("RoleName", name), m("AssumeRolePolicyDocument", trust(service)),
		m("Policies", list{object{m("PolicyName", name), m("PolicyDocument", p.document(subResource))}}),
		m("Tags", d.tags()),
	})})
}

func (d *deployment) roles() object {
	return object{d.role("StageRole", d.stageRole(), d.stagePolicy()), d.role("GatewayRole", d.gatewayRole(), d.gatewayPolicy())}
}

func roleOf(f *function) object {
	if f.stage == nil {
		return attribute("GatewayRole", "Arn")
	}
	return attribute("StageRole", "Arn")
}

func logs(f *function) member {
	return m(f.id+"Logs", object{m("Type", "AWS::Logs::LogGroup"), m("DeletionPolicy", "Delete"), m("UpdateReplacePolicy", "Delete"), m("Properties", object{
		m("LogGroupName", "/aws/lambda/"+f.name), m("RetentionInDays", reference("LogRetentionDays"))})})
}

// imageAddress is where a function's container image is.
func imageAddress(f *function) object {
	return sub("${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/${Repository}:" + f.key)
}

func packageKey(f *function) object { return sub("${PackagePrefix}/" + f.key + ".zip") }

func (d *deployment) outputs() object {
	return append(object{
		m("GatewayFunction", object{m("Description", "Function that takes requests"), m("Value", reference("GatewayFunction"))}),
		m("GatewayArn", object{m("Description", "Its ARN"), m("Value", attribute("GatewayFunction", "Arn"))}),
	}, d.workflowOutputs()...)
}

func (d *deployment) summary() string {
	return describe(fmt.Sprintf("%s on %s", oneLine(d.plan.Model.Name), report.Count(len(d.stages), "function")))
}

func stageComment(f *function) string {
	if f.stage == nil {
		return "The gateway takes requests, drives the stages and answers"
	}
	if f.stage.FirstLayer == f.stage.LastLayer {
		return fmt.Sprintf("Layer %d", f.stage.LastLayer)
	}
	return fmt.Sprintf("Layers %d to %d", f.stage.FirstLayer, f.stage.LastLayer)
}

func cloudFormationTemplate(d *deployment) ([]byte, error) {
	resources := d.roles()
	for _, f := range d.all() {
		kind, code := object{m("PackageType", "Zip"), m("Runtime", "provided.al2023"), m("Handler", "bootstrap")}, object{m("S3Bucket", reference("Bucket")), m("S3Key", packageKey(&f))}
		if f.image {
			kind, code = object{m("PackageType", "Image")}, object{m("ImageUri", imageAddress(&f))}
		}
		properties := append(append(object{m("FunctionName", f.name), m("Description", f.description)}, kind...),
			m("Architectures", list{d.architecture}), m("MemorySize", f.memoryMB), m("Timeout", f.timeoutSeconds), m("EphemeralStorage", object{m("Size", f.temporaryMB)}),
			m("Role", roleOf(&f)), m("Code", code), m("Tags", d.tags()))
		resources = append(resources, logs(&f), member{f.id + "Function", object{m("Type", "AWS::Lambda::Function"), m("DependsOn", f.id+"Logs"), m("Properties",
			append(properties, variables(&f)...))}, stageComment(&f)})
	}
	resources = append(resources, d.workflow(false)...)
	return asYAML(d.usage(), object{
		m("AWSTemplateFormatVersion", "2010-09-09"), m("Description", d.summary()),
		m("Parameters", d.parameters()), m("Resources", resources), m("Outputs", d.outputs()),
	}), nil
}

func samTemplate(d *deployment) ([]byte, error) {
	tags := object{m("partita:deployment", d.name), m("partita:plan", d.plan.Hash)}
	runtime := object{m("Runtime", "provided.al2023"), m("Handler", "bootstrap")} // of all functions, unless some are images, which have none
	var own object
	if d.images() {
		runtime, own = nil, runtime
	}
	resources := d.roles()
	for _, f := range d.all() {
		properties := object{m("FunctionName", f.name), m("Description", f.description), m("MemorySize", f.memoryMB), m("Timeout", f.timeoutSeconds), m("EphemeralStorage", object{m("Size", f.temporaryMB)}),
			m("Role", roleOf(&f))}
		if f.image {
			properties = append(properties, m("PackageType", "Image"), m("ImageUri", imageAddress(&f)))
		} else {
			properties = append(append(properties, own...), m("CodeUri", object{m("Bucket", reference("Bucket")), m("Key", packageKey(&f))}))
		}
		resources = append(resources, logs(&f), member{f.id + "Function", object{m("Type", "AWS::Serverless::Function"), m("DependsOn", f.id+"Logs"), m("Properties",
			append(properties, variables(&f)...))}, stageComment(&f)})
	}
	resources = append(resources, d.workflow(true)...)
	return asYAML(d.usage(), object{
		m("AWSTemplateFormatVersion", "2010-09-09"), m("Transform", "AWS::Serverless-2016-10-31"), m("Description", d.summary()),
		m("Parameters", d.parameters()),
		m("Globals", object{m("Function", append(runtime, m("Architectures", list{d.architecture}), m("Tags", tags)))}),
		m("Resources", resources), m("Outputs", d.outputs()),
	}), nil
}
