package export

import (
	"fmt"
	"strings"
)

// Where a workflow drives the stages, the templates hold the state machine of the form "asl" and its role.

func (d *deployment) driven() bool { return d.plan.Workflow != nil }

const workflowComment = "The workflow takes requests, and drives the functions"

// workflow gives the resources of the state machine for CloudFormation, or for SAM.
func (d *deployment) workflow(sam bool) object {
	if !d.driven() {
		return nil
	}
	machine, waits := d.machine(), list{}
	for _, f := range d.all() {
		waits = append(waits, f.id+"Function")
	}
	kind, properties := "AWS::StepFunctions::StateMachine", object{m("StateMachineName", d.machineName()), m("StateMachineType", "EXPRESS"), m("RoleArn", attribute("WorkflowRole", "Arn")), m("Definition", machine), m("Tags", d.tags())}
	if sam {
		kind, properties = "AWS::Serverless::StateMachine", object{m("Name", d.machineName()), m("Type", "EXPRESS"), m("Role", attribute("WorkflowRole", "Arn")), m("Definition", machine),
			m("Tags", object{m("partita:deployment", d.name), m("partita:plan", d.plan.Hash)})}
	}
	return object{
		d.roleFor("WorkflowRole", d.machineRole(), serviceStates, d.machinePolicy()),
		member{"Workflow", object{m("Type", kind), m("DependsOn", waits), m("Properties", properties)}, workflowComment},
	}
}

// workflowOutputs tells what takes requests.
func (d *deployment) workflowOutputs() object {
	if !d.driven() {
		return nil
	}
	return object{m("WorkflowArn", object{m("Description", "State machine that takes requests, by StartSyncExecution"), m("Value", reference("Workflow"))})}
}

// workflow writes the state machine and its role.
func (h *hcl) workflow(d *deployment) {
	if !d.driven() {
		return
	}
	h.trust("workflow_trust", serviceStates)
	h.roleFor("workflow", d.machineRole(), "workflow_trust", d.machinePolicy())
	h.blank()
	h.comment(workflowComment)
	h.block(`resource "aws_sfn_state_machine" "workflow"`, func() {
		h.attr("name", text(d.machineName()))
		h.attr("type", text("EXPRESS"))
		h.attr("role_arn", "aws_iam_role.workflow.arn")
		h.attr("tags", "local.tags")
		h.blank()
		h.heredoc("definition", string(asJSON(d.machine())))
		h.blank()
		h.attr("depends_on", "[aws_lambda_function.stage, aws_lambda_function.gateway, aws_iam_role_policy.workflow]")
	})
	h.blank()
	h.block(`output "workflow_arn"`, func() {
		h.attr("description", text("State machine that takes requests, by StartSyncExecution"))
		h.attr("value", "aws_sfn_state_machine.workflow.arn")
	})
}

// heredoc writes an attribute of several lines without interpolation.
func (h *hcl) heredoc(name, value string) {
	h.flush()
	h.b.WriteString(h.indent + name + " = <<-JSON\n")
	for _, line := range strings.Split(strings.TrimRight(value, "\n"), "\n") {
		h.b.WriteString(h.indent + "  " + strings.NewReplacer("${", "$${", "%{", "%%{").Replace(line) + "\n")
	}
	h.b.WriteString(h.indent + "JSON\n")
}

// trust writes the policy that lets a service take a role.
func (h *hcl) trust(label, service string) {
	h.blank()
	h.block(fmt.Sprintf("data \"aws_iam_policy_document\" %q", label), func() {
		h.block("statement", func() {
			h.attr("actions", `["sts:AssumeRole"]`)
			h.blank()
			h.block("principals", func() {
				h.attr("type", text("Service"))
				h.attr("identifiers", "["+text(service)+"]")
			})
		})
	})
}
