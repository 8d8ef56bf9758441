package export

import "fmt"

// terraformConfiguration describes the deployment for Terraform and the AWS provider.
func terraformConfiguration(d *deployment) ([]byte, error) {
	h := &hcl{}
	for _, line := range d.heading() {
		h.comment(line)
	}
	h.comment("The packages (" + d.files() + ") must be in the bucket under package_prefix. The gateway's package names the")
	h.comment("bucket for hand-overs, so bucket must be the one that it was made for; partita package writes them. Credentials and region")
	h.comment("are the provider's.")
	if d.images() {
		h.comment("Stages that are container images must be in the repository of this account, tagged stage-N; partita package writes them for")
		h.comment("docker load or crane push.")
	}
	h.comment("When a package changes under the same key, apply with -replace of its function: Terraform does not look into the bucket.")
	h.blank()
	h.block("terraform", func() {
		h.attr("required_version", text(">= 1.3"))
		h.blank()
		h.block("required_providers", func() {
			h.block("aws =", func() {
				h.attr("source", text("hashicorp/aws"))
				h.attr("version", text(">= 5.0"))
			})
		})
	})
	h.variable("bucket", "string", text(d.bucket), "Bucket of the packages and of what stages hand over")
	h.variable("package_prefix", "string", text(d.packages()), "Folder of the packages in the bucket, without a final slash")
	if d.images() {
		h.variable("repository", "string", text(d.repository()), "Repository of the container images in this account")
	}
	h.variable("log_retention_days", "number", "14", "Days that logs are kept")
	h.blank()
	h.block("locals", func() {
		h.block("stages =", func() {
			for _, f := range d.stages {
				h.block(text(f.key)+" =", func() {
					h.size(&f)
					if d.fetches() {
						h.attr("fetches_weights", fmt.Sprint(f.fetches))
					}
					if d.images() {
						h.attr("is_image", fmt.Sprint(f.image))
					}
				})
			}
		})
		h.block("gateway =", func() { h.size(&d.gateway) })
		h.block("tags =", func() {
			h.attr(text("partita:deployment"), text(d.name))
			h.attr(text("partita:plan"), text(d.plan.Hash))
		})
	})
	for _, source := range []string{"aws_partition", "aws_region", "aws_caller_identity"} {
		h.blank()
		h.block(`data "`+source+`" "current"`, func() {})
	}
	h.trust("trust", serviceLambda)
	h.role("stage", d.stageRole(), d.stagePolicy())
	h.role("gateway", d.gatewayRole(), d.gatewayPolicy())
	h.function("stage", true, d)
	h.function("gateway", false, d)
	h.blank()
	h.block(`output "gateway_function"`, func() {
		h.attr("description", text("Function that takes requests"))
		h.attr("value", "aws_lambda_function.gateway.function_name")
	})
	h.blank()
	h.block(`output "gateway_arn"`, func() {
		h.attr("description", text("Its ARN"))
		h.attr("value", "aws_lambda_function.gateway.arn")
	})
	h.workflow(d)
	return h.b.Bytes(), nil
}

func (h *hcl) variable(name, kind, standard, description string) {
	h.blank()
	h.block(`variable "`+name+`"`, func() {
		h.attr("description", text(description))
		h.attr("type", kind)
		h.attr("default", standard)
	})
}

// size writes what differs between functions.
func (h *hcl) size(f *function) {
	h.attr("name", text(f.name))
	h.attr("description", text(f.description))
	h.attr("memory_mb", fmt.Sprint(f.memoryMB))
	h.attr("timeout_seconds", fmt.Sprint(f.timeoutSeconds))
	h.attr("temporary_mb", fmt.Sprint(f.temporaryMB))
}

func (h *hcl) role(label, name string, p policy) { h.roleFor(label, name, "trust", p) }

func (h *hcl) roleFor(label, name, trust string, p policy) {
	at := places{"${data.aws_partition.current.partition}", "${data.aws_region.current.name}", "${data.aws_caller_identity.current.account_id}", "${var.bucket}", "${var.package_prefix}"}
	h.blank()
	h.block(`data "aws_iam_policy_document" "`+label+`"`, func() {
		for i, s := range p {
			if i > 0 {
				h.blank()
			}
			h.block("statement", func() {
				h.attr("sid", text(s.sid))
				h.list("actions", quoted(s.actions, text))
				h.list("resources", quoted(s.resources, func(r string) string { return template(at.fill(r)) }))
				if c := s.condition; c != nil {
					h.blank()
					h.block("condition", func() {
						h.attr("test", text(c.test))
						h.attr("variable", text(c.variable))
						h.attr("values", "["+text(c.value)+"]")
					})
				}
			})
		}
	})
	h.blank()
	h.block(`resource "aws_iam_role" "`+label+`"`, func() {
		h.attr("name", text(name))
		h.attr("assume_role_policy", "data.aws_iam_policy_document."+trust+".json")
		h.attr("tags", "local.tags")
	})
	h.blank()
	h.block(`resource "aws_iam_role_policy" "`+label+`"`, func() {
		h.attr("name", text(name))
		h.attr("role", "aws_iam_role."+label+".id")
		h.attr("policy", "data.aws_iam_policy_document."+label+".json")
	})
}

func quoted(all []string, quote func(string) string) []string {
	var out []string
	for _, s := range all {
		out = append(out, quote(s))
	}
	return out
}

// function writes the resources of the stages, one of each for every entry of local.stages, or of the gateway.
func (h *hcl) function(label string, each bool, d *deployment) {
	of, key := "local.gateway", "gateway"
	if each {
		of, key = "each.value", "${each.key}"
	}
	h.blank()
	h.block(`resource "aws_cloudwatch_log_group" "`+label+`"`, func() {
		if each {
			h.attr("for_each", "local.stages")
			h.blank()
		}
		h.attr("name", template("/aws/lambda/${"+of+".name}"))
		h.attr("retention_in_days", "var.log_retention_days")
		h.attr("tags", "local.tags")
	})
	h.blank()
	h.block(`resource "aws_lambda_function" "`+label+`"`, func() {
		if each {
			h.attr("for_each", "local.stages")
			h.blank()
		}
		h.attr("function_name", of+".name")
		h.attr("description", of+".description")
		mixed := each && d.images() // a zip or an image: Terraform writes both, and null for what it is not
		zip := func(name, value string) {
			if mixed {
				value = "each.value.is_image ? null : " + value
			}
			h.attr(name, value)
		}
		if mixed {
			h.attr("package_type", `each.value.is_image ? "Image" : "Zip"`)
			h.attr("image_uri", "each.value.is_image ? "+
				template("${data.aws_caller_identity.current.account_id}.dkr.ecr.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}/${var.repository}:${each.key}")+" : null")
		} else {
			h.attr("package_type", text("Zip"))
		}
		zip("runtime", text("provided.al2023"))
		zip("handler", text("bootstrap"))
		h.attr("architectures", "["+text(d.architecture)+"]")
		h.attr("memory_size", of+".memory_mb")
		h.attr("timeout", of+".timeout_seconds")
		h.attr("role", "aws_iam_role."+label+".arn")
		zip("s3_bucket", "var.bucket")
		zip("s3_key", template("${var.package_prefix}/"+key+".zip"))
		h.attr("tags", "local.tags")
		h.blank()
		h.block("ephemeral_storage", func() { h.attr("size", of+".temporary_mb") })
		if each && d.fetches() {
			h.blank()
			h.block(`dynamic "environment"`, func() {
				h.attr("for_each", "each.value.fetches_weights ? [1] : []")
				h.blank()
				h.block("content", func() {
					h.attr("variables", "{ "+weightsVariable+" = "+template("s3://${var.bucket}/${var.package_prefix}/"+key+".weights")+" }")
				})
			})
		}
		h.blank()
		h.attr("depends_on", "[aws_cloudwatch_log_group."+label+", aws_iam_role_policy."+label+"]")
	})
}
